package main

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/mod/modfile"
)

const rootPath = "github.com/countersign/countersign"

// released names the directories of the modules that users import or install. The other
// modules of the repository (examples, benchmarks, tests) are not released.
var released = []string{".", "redisstore", "sqlstore", "rs/grpcrs", "mcpauth", "cmd/countersign"}

// A goModule is one released module of the repository.
type goModule struct {
	path string // its module path
	dir  string // its directory
	file *modfile.File
}

// findModules reads the go.mod files, the modules that others require first.
func findModules(repo string) ([]*goModule, error) {
	var modules []*goModule
	for _, dir := range released {
		m, err := readModule(filepath.Join(repo, dir))
		if err != nil {
			return nil, err
		}
		modules = append(modules, m)
	}
	return inOrder(modules)
}

func readModule(dir string) (*goModule, error) {
	name := filepath.Join(dir, "go.mod")
	data, err := os.ReadFile(name)
	if err != nil {
		return nil, err
	}
	file, err := modfile.Parse(name, data, nil)
	if err != nil {
		return nil, err
	}
	return &goModule{path: file.Module.Mod.Path, dir: dir, file: file}, nil
}

// ours reports whether path is a module of this repository.
func ours(path string) bool { return path == rootPath || strings.HasPrefix(path, rootPath+"/") }

// siblings are the modules of this repository that m requires.
func (m *goModule) siblings() []string {
	var paths []string
	for _, r := range m.file.Require {
		if ours(r.Mod.Path) {
			paths = append(paths, r.Mod.Path)
		}
	}
	return paths
}

// inOrder sorts modules so that each one comes after its siblings: go.sum needs their
// hashes.
func inOrder(modules []*goModule) ([]*goModule, error) {
	var sorted []*goModule
	done := func(path string) bool {
		return slices.ContainsFunc(sorted, func(m *goModule) bool { return m.path == path })
	}
	for len(sorted) < len(modules) {
		before := len(sorted)
		for _, m := range modules {
			if !done(m.path) && !slices.ContainsFunc(m.siblings(), func(p string) bool { return !done(p) }) {
				sorted = append(sorted, m)
			}
		}
		if len(sorted) == before {
			return nil, fmt.Errorf("modules require each other in a circle, or one that is not released; sorted so far: %d of %d", len(sorted), len(modules))
		}
	}
	return sorted, nil
}
