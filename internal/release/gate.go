package main

import (
	"bytes"
	"errors"
	"fmt"
	"go/types"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/exp/apidiff"
	"golang.org/x/tools/go/packages"
)

// compareWithLastTag reports how the exported API of the released modules differs from the
// last tag of the root module. It fails on an incompatible change, and when a test of the tag
// that a user could have written does not compile. Without a tag there is nothing to compare.
func compareWithLastTag(w io.Writer, repo string) error {
	tag, err := git(repo, "describe", "--tags", "--abbrev=0", "--match", "v[0-9]*")
	if err != nil {
		fmt.Fprintln(w, "release: no tag yet, nothing to compare with")
		return nil
	}
	old, err := os.MkdirTemp("", "tag")
	if err != nil {
		return err
	}
	defer os.RemoveAll(old)
	if _, err := git(repo, "worktree", "add", "--detach", old, tag); err != nil {
		return err
	}
	defer git(repo, "worktree", "remove", "--force", old)
	fmt.Fprintln(w, "release: comparing with", tag)
	return compareModules(w, old, repo)
}

// compareModules compares the modules that the tag has.
func compareModules(w io.Writer, old, now string) error {
	var wrong []error
	for _, dir := range released {
		before, after := filepath.Join(old, dir), filepath.Join(now, dir)
		if _, err := os.Stat(filepath.Join(before, "go.mod")); err != nil {
			continue // it is new
		}
		if _, err := os.Stat(filepath.Join(after, "go.mod")); err != nil {
			wrong = append(wrong, fmt.Errorf("module %s was removed", dir))
			continue
		}
		wrong = append(wrong, compareAPI(w, before, after), compileOldTests(w, dir, old, now))
	}
	return errors.Join(wrong...)
}

func git(dir string, args ...string) (string, error) {
	return output(dir, "git", args...)
}

func output(dir, name string, args ...string) (string, error) {
	cmd := exec.Command(name, args...)
	cmd.Dir = dir
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("%s %s: %w\n%s", name, strings.Join(args, " "), err, stderr.String())
	}
	return strings.TrimSpace(string(out)), nil
}

// compareAPI compares every exported package of a module.
func compareAPI(w io.Writer, old, now string) error {
	before, err := load(old)
	if err != nil {
		return err
	}
	after, err := load(now)
	if err != nil {
		return err
	}
	var broken []string
	for path, p := range before {
		if after[path] == nil {
			broken = append(broken, path+": the package was removed")
			continue
		}
		for _, c := range apidiff.Changes(p, after[path]).Changes {
			fmt.Fprintf(w, "%s: %s\n", path, c.Message)
			if !c.Compatible {
				broken = append(broken, path+": "+c.Message)
			}
		}
	}
	if broken == nil {
		return nil
	}
	slices.Sort(broken)
	return fmt.Errorf("incompatible with the last tag:\n%s", strings.Join(broken, "\n"))
}

// load returns the exported packages of a module, by path.
func load(dir string) (map[string]*types.Package, error) {
	loaded, err := packages.Load(&packages.Config{
		Dir: dir, Mode: packages.NeedName | packages.NeedTypes | packages.NeedImports | packages.NeedDeps | packages.NeedSyntax | packages.NeedTypesInfo,
	}, "./...")
	if err != nil {
		return nil, err
	}
	exported := map[string]*types.Package{}
	for _, p := range loaded {
		if len(p.Errors) > 0 {
			return nil, fmt.Errorf("%s does not compile: %v", p.PkgPath, p.Errors[0])
		}
		if !strings.Contains(p.PkgPath+"/", "/internal/") && p.Name != "main" {
			exported[p.PkgPath] = p.Types
		}
	}
	return exported, nil
}
