package main

import (
	"encoding/json"
	"fmt"
	"go/ast"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/tools/go/packages"
)

// compileOldTests compiles the tests of a module's last tag, which a user could have written,
// against the present code. They replace the present tests.
func compileOldTests(w io.Writer, module, old, now string) error {
	old, err := filepath.EvalSymlinks(old)
	if err != nil {
		return err
	}
	tests, skipped, err := publicTests(old)
	if err != nil {
		return err
	}
	fmt.Fprintf(w, "release: module %s: %d test files of the tag use the exported API alone, %d others are not compiled\n", module, len(tests), skipped)
	overlay, err := overlayOf(tests, old, now)
	if err != nil {
		return err
	}
	defer os.Remove(overlay)
	// Only one analyzer runs: what others find was in the tag too.
	if _, err := output(now, "go", "vet", "-buildtag", "-overlay="+overlay, "./..."); err != nil {
		return fmt.Errorf("the last tag's tests do not compile against this code: %w", err)
	}
	return nil
}

// overlayOf writes a file for -overlay that replaces the present tests by the old ones. A test of a
// package that was removed is left out, because compareAPI reports the package.
func overlayOf(tests []string, old, now string) (name string, err error) {
	now, err = filepath.Abs(now)
	if err != nil {
		return "", err
	}
	replace, err := withoutTests(now)
	if err != nil {
		return "", err
	}
	for _, test := range tests {
		rel, err := filepath.Rel(old, test)
		if err != nil {
			return "", err
		}
		if place := filepath.Join(now, rel); isDir(filepath.Dir(place)) {
			replace[place] = test
		}
	}
	text, err := json.Marshal(map[string]any{"Replace": replace})
	if err != nil {
		return "", err
	}
	f, err := os.CreateTemp("", "overlay*.json")
	if err != nil {
		return "", err
	}
	defer f.Close()
	_, err = f.Write(text)
	return f.Name(), err
}

// withoutTests replaces every test below dir with nothing.
func withoutTests(dir string) (map[string]string, error) {
	replace := map[string]string{}
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.IsDir() && d.Name() == ".git" {
			return fs.SkipDir
		}
		if strings.HasSuffix(path, "_test.go") {
			replace[path] = ""
		}
		return err
	})
	return replace, err
}

func isDir(name string) bool {
	info, err := os.Stat(name)
	return err == nil && info.IsDir()
}

// publicTests returns the test files of a module that a user could have written, and the number of
// the others.
func publicTests(dir string) (names []string, skipped int, err error) {
	loaded, err := packages.Load(&packages.Config{
		Dir: dir, Tests: true,
		Mode: packages.NeedName | packages.NeedTypes | packages.NeedImports | packages.NeedSyntax | packages.NeedTypesInfo,
	}, "./...")
	if err != nil {
		return nil, 0, err
	}
	for _, p := range loaded {
		if len(p.Errors) > 0 {
			return nil, 0, fmt.Errorf("%s of the last tag does not compile: %v", p.ID, p.Errors[0])
		}
		if !strings.HasSuffix(p.PkgPath, "_test") {
			continue
		}
		public := publicFiles(p)
		names, skipped = append(names, public...), skipped+len(p.Syntax)-len(public)
	}
	return names, skipped, nil
}

// publicFiles returns the files of an external test package that use nothing but exported packages,
// also in the files whose functions they call.
func publicFiles(p *packages.Package) (names []string) {
	private, calls := map[string]bool{}, map[string][]string{}
	for _, file := range p.Syntax {
		name := p.Fset.Position(file.Package).Filename
		private[name] = slices.ContainsFunc(file.Imports, importsInternal)
		for at, own := range usedFiles(p, file) {
			if own {
				calls[name] = append(calls[name], at)
			} else if strings.HasSuffix(at, "_test.go") { // such as export_test.go
				private[name] = true
			}
		}
	}
	for spread(private, calls) {
	}
	for name, isPrivate := range private {
		if !isPrivate {
			names = append(names, name)
		}
	}
	return names
}

func importsInternal(i *ast.ImportSpec) bool {
	path := strings.Trim(i.Path.Value, `"`)
	return strings.Contains("/"+path+"/", "/internal/")
}

// usedFiles returns the files that define what a file uses, and whether they are of its package.
func usedFiles(p *packages.Package, file *ast.File) map[string]bool {
	used := map[string]bool{}
	ast.Inspect(file, func(n ast.Node) bool {
		if id, ok := n.(*ast.Ident); ok {
			if o := p.TypesInfo.Uses[id]; o != nil && o.Pkg() != nil {
				used[p.Fset.Position(o.Pos()).Filename] = o.Pkg() == p.Types
			}
		}
		return true
	})
	return used
}

// spread makes files private that call private ones.
func spread(private map[string]bool, calls map[string][]string) (changed bool) {
	for name, called := range calls {
		for _, other := range called {
			if private[other] && !private[name] {
				private[name], changed = true, true
			}
		}
	}
	return changed
}
