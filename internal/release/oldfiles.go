package main

import (
	"bytes"
	"fmt"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/mod/modfile"
)

// lastTag is the directory below each internal directory for the internal packages of the tag. They
// may differ from the present ones: they are helpers of the tests, not a part of the API. An
// internal package whose types the API has is always the present one.
const lastTag = "lasttag"

// oldFiles are files of the last tag in an overlay over the present code.
type oldFiles struct {
	old, now string // roots of the repository
	path     string // module path of the root
	overlay  map[string][]byte
	packages map[string]bool // internal packages that were added
	exposed  map[string]bool // internal packages whose types the API has
}

func newOldFiles(old, now string) (*oldFiles, error) {
	text, err := os.ReadFile(filepath.Join(old, "go.mod"))
	if err != nil {
		return nil, err
	}
	path := modfile.ModulePath(text)
	if path == "" {
		return nil, fmt.Errorf("%s/go.mod has no module path", old)
	}
	exposed, err := exposedPackages(old, path)
	return &oldFiles{old: old, now: now, path: path, overlay: map[string][]byte{}, packages: map[string]bool{}, exposed: exposed}, err
}

// removeTests removes every test below dir: the go command ignores it.
func (o *oldFiles) removeTests(dir string) error {
	return filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.IsDir() && d.Name() == ".git" {
			return fs.SkipDir
		}
		if strings.HasSuffix(path, "_test.go") {
			o.overlay[path] = []byte("//go:build ignore\n\npackage removed\n")
		}
		return err
	})
}

// moved returns where a file or package of the tag is compiled, relative to a root.
func moved(rel string) string {
	parts := strings.Split(rel, "/")
	if i := slices.Index(parts, "internal"); i >= 0 {
		parts = slices.Insert(parts, i+1, lastTag)
	}
	return strings.Join(parts, "/")
}

// add adds a Go file of the tag, and the internal packages that it imports. A test of a package that
// was removed is left out, because compareAPI reports the package.
func (o *oldFiles) add(name string) error {
	rel, err := filepath.Rel(o.old, name)
	if err != nil {
		return err
	}
	rel = filepath.ToSlash(rel)
	place := filepath.Join(o.now, moved(rel))
	if moved(rel) == rel && !isDir(filepath.Dir(place)) {
		return nil
	}
	text, err := o.withMovedImports(name)
	if err != nil {
		return err
	}
	o.overlay[place] = text
	return nil
}

// withMovedImports returns a Go file whose imports lead to the internal packages of the tag.
func (o *oldFiles) withMovedImports(name string) ([]byte, error) {
	text, err := os.ReadFile(name)
	if err != nil {
		return nil, err
	}
	file, err := parser.ParseFile(token.NewFileSet(), name, text, parser.ImportsOnly)
	if err != nil {
		return nil, err
	}
	for _, i := range file.Imports {
		rel, ours := strings.CutPrefix(strings.Trim(i.Path.Value, `"`), o.path+"/")
		if !ours || moved(rel) == rel || o.exposed[rel] {
			continue
		}
		if err := o.addPackage(rel); err != nil {
			return nil, err
		}
		text = bytes.Replace(text, []byte(i.Path.Value), []byte(`"`+o.path+"/"+moved(rel)+`"`), 1)
	}
	return text, nil
}

// addPackage adds an internal package of the tag, with the files that it embeds.
func (o *oldFiles) addPackage(rel string) error {
	if o.packages[rel] {
		return nil
	}
	o.packages[rel] = true
	top := filepath.Join(o.old, rel)
	return filepath.WalkDir(top, func(name string, d fs.DirEntry, err error) error {
		switch {
		case err != nil || d.IsDir() || strings.HasSuffix(name, "_test.go"):
			return err
		case filepath.Ext(name) != ".go":
			return o.addEmbedded(name)
		case filepath.Dir(name) == top:
			return o.add(name)
		}
		return nil
	})
}

func (o *oldFiles) addEmbedded(name string) error {
	rel, err := filepath.Rel(o.old, name)
	if err != nil {
		return err
	}
	text, err := os.ReadFile(name)
	o.overlay[filepath.Join(o.now, moved(filepath.ToSlash(rel)))] = text
	return err
}
