package internal_test

import (
	"encoding/json"
	"errors"
	"go/ast"
	"go/importer"
	"go/parser"
	"go/token"
	"go/types"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// documentedModules are the directories of the modules whose comments are checked. With -short it is
// only this one: the others need other libraries, which would have to be compiled.
func documentedModules() []string {
	if testing.Short() {
		return []string{".."}
	}
	return []string{"..", "../rs/grpcrs", "../mcpauth", "../redisstore", "../sqlstore"}
}

// documentedPackages loads the packages of these modules.
func documentedPackages(t *testing.T) (all []*loadedPackage) {
	for _, dir := range documentedModules() {
		all = append(all, loadPackages(t, dir)...)
	}
	return all
}

var loaded = map[string][]*loadedPackage{} // by directory of the module; the tests that use it run one after another

// loadPackages loads the packages of a module that others may import. The types of their imports
// are from the build cache.
func loadPackages(t *testing.T, dir string) (all []*loadedPackage) {
	if loaded[dir] != nil {
		return loaded[dir]
	}
	if !slices.Contains(documentedModules(), dir) {
		t.Fatalf("with -short, %s is not loaded: use documentedModules", dir)
	}
	cmd := exec.Command("go", "list", "-export", "-deps", "-json=ImportPath,Export,Dir,GoFiles,DepOnly", "./...")
	cmd.Dir, cmd.Stderr = dir, os.Stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	type listed struct {
		ImportPath, Export, Dir string
		GoFiles                 []string
		DepOnly                 bool
	}
	export := map[string]string{}
	var own []listed
	for d := json.NewDecoder(strings.NewReader(string(out))); ; {
		var l listed
		if err := d.Decode(&l); err == io.EOF {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		export[l.ImportPath] = l.Export
		if !l.DepOnly && !strings.Contains(l.ImportPath, "/internal") {
			own = append(own, l)
		}
	}
	fset := token.NewFileSet()
	imports := importer.ForCompiler(fset, "gc", func(path string) (io.ReadCloser, error) {
		if export[path] == "" {
			return nil, errors.New("no export data of " + path)
		}
		return os.Open(export[path])
	})
	for _, l := range own {
		p := &loadedPackage{path: l.ImportPath, codesOf: codesOf[l.ImportPath], typed: codesOf[l.ImportPath] == nil, info: &types.Info{
			Types: map[ast.Expr]types.TypeAndValue{}, Defs: map[*ast.Ident]types.Object{}, Uses: map[*ast.Ident]types.Object{},
		}}
		for _, name := range l.GoFiles {
			file, err := parser.ParseFile(fset, filepath.Join(l.Dir, name), nil, parser.ParseComments)
			if err != nil {
				t.Fatal(err)
			}
			p.files = append(p.files, file)
		}
		if p.types, err = (&types.Config{Importer: imports}).Check(l.ImportPath, fset, p.files, p.info); err != nil {
			t.Fatal(err)
		}
		if p.typed {
			p.codesOf = typedErrors
		}
		p.index()
		all = append(all, p)
	}
	loaded[dir] = all
	return all
}
