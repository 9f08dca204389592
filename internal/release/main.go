package main

import (
	"errors"
	"flag"
	"fmt"
	"os"

	"golang.org/x/mod/semver"
)

func main() {
	version := flag.String("version", "v0.1.0", "the version of all modules")
	repo := flag.String("repo", "../..", "the root of the repository")
	out := flag.String("out", "", "the directory to write the modules to")
	gate := flag.Bool("gate", false, "compare the exported API with the last tag")
	flag.Parse()
	if err := run(*repo, *version, *out, *gate); err != nil {
		fmt.Fprintln(os.Stderr, "release:", err)
		os.Exit(1)
	}
}

func run(repo, version, out string, gate bool) error {
	if !semver.IsValid(version) {
		return fmt.Errorf("-version is %q, expected a semantic version such as v0.1.0", version)
	}
	if gate {
		return compareWithLastTag(os.Stdout, repo)
	}
	if out == "" {
		return errors.New("-out or -gate is required")
	}
	modules, err := findModules(repo)
	if err != nil {
		return err
	}
	return writeProxy(out, version, modules)
}
