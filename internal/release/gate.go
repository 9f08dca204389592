package main

import (
	"bytes"
	"errors"
	"fmt"
	"go/types"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/exp/apidiff"
	"golang.org/x/tools/go/packages"
)

// compareWithLastTag reports how the exported API differs from the last tag of the root
// module. It fails on an incompatible change. Without a tag there is nothing to compare.
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
	return errors.Join(compareAPI(w, old, repo), compileOldTests(old, repo))
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

// compareAPI compares every exported package of the root module.
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

// load gives the exported packages of a module, by path.
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

// compileOldTests compiles the Examples of the last tag, which are programs of users,
// against the new code.
func compileOldTests(old, now string) error {
	work, err := os.MkdirTemp("", "examples")
	if err != nil {
		return err
	}
	defer os.RemoveAll(work)
	if err := copyTree(work, now); err != nil {
		return err
	}
	if err := replaceExamples(work, old); err != nil {
		return err
	}
	if _, err := output(work, "go", "vet", "./..."); err != nil {
		return fmt.Errorf("the last tag's Examples do not compile against this code: %w", err)
	}
	return nil
}

// replaceExamples removes the tests of the module in work and adds the Examples of old. A
// package that was removed is skipped: compareAPI reports it.
func replaceExamples(work, old string) error {
	var tests []string
	err := filepath.WalkDir(work, func(path string, _ fs.DirEntry, err error) error {
		if strings.HasSuffix(path, "_test.go") {
			tests = append(tests, path)
		}
		return err
	})
	if err != nil {
		return err
	}
	for _, name := range tests {
		if err := os.Remove(name); err != nil {
			return err
		}
	}
	names, err := output(old, "git", "ls-files", "*example*_test.go")
	if err != nil {
		return err
	}
	for _, name := range strings.Fields(names) {
		if err := copyExample(filepath.Join(work, name), filepath.Join(old, name)); err != nil {
			return err
		}
	}
	return nil
}

func copyExample(to, from string) error {
	if _, err := os.Stat(filepath.Dir(to)); err != nil {
		return nil
	}
	data, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	return os.WriteFile(to, data, 0o644)
}
