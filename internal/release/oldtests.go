package main

import (
	"errors"
	"fmt"
	"go/ast"
	"io"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/tools/go/packages"
)

// compileOldTests compiles the tests of a module's last tag against the present code. They replace
// the present tests. old and now are the roots of the repository.
func compileOldTests(w io.Writer, module, old, now string) error {
	old, err := filepath.EvalSymlinks(old)
	if err != nil {
		return err
	}
	tests, skipped, err := publicTests(filepath.Join(old, module))
	if err != nil {
		return err
	}
	fmt.Fprintf(w, "release: module %s: %d test files of the tag are compiled, %d others use unexported names\n", module, len(tests), skipped)
	overlay, err := overlayOf(tests, module, old, now)
	if err != nil {
		return err
	}
	if err := compiles(filepath.Join(now, module), overlay); err != nil {
		return fmt.Errorf("the last tag's tests do not compile against this code: %w", err)
	}
	return nil
}

// compiles checks the types of all packages of a module and of their tests. The overlay has the
// files that are different, by their path.
func compiles(dir string, overlay map[string][]byte) error {
	loaded, err := packages.Load(&packages.Config{
		Dir: dir, Tests: true, Overlay: overlay, Mode: packages.NeedName | packages.NeedTypes | packages.NeedImports | packages.NeedSyntax,
	}, "./...")
	if err != nil {
		return err
	}
	var wrong []error
	for _, p := range loaded {
		for _, e := range p.Errors {
			wrong = append(wrong, e)
		}
	}
	return errors.Join(wrong...)
}

// overlayOf returns an overlay without the present tests of the module. It has the tests of the tag
// instead, and the internal packages of the tag that they import.
func overlayOf(tests []string, module, old, now string) (map[string][]byte, error) {
	now, err := filepath.Abs(now)
	if err != nil {
		return nil, err
	}
	files, err := newOldFiles(old, now)
	if err != nil {
		return nil, err
	}
	if err := files.removeTests(filepath.Join(now, module)); err != nil {
		return nil, err
	}
	for _, test := range tests {
		if err := files.add(test); err != nil {
			return nil, err
		}
	}
	return files.overlay, nil
}

func isDir(name string) bool {
	info, err := os.Stat(name)
	return err == nil && info.IsDir()
}

// publicTests returns the files of the external test packages of a module. skipped is the number of
// files that use unexported names, through a file such as export_test.go. They are left out.
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

// publicFiles returns the files of an external test package that use only exported names, also in
// the files whose functions they call.
func publicFiles(p *packages.Package) (names []string) {
	private, calls := map[string]bool{}, map[string][]string{}
	for _, file := range p.Syntax {
		name := p.Fset.Position(file.Package).Filename
		private[name] = false
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
