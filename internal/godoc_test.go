package internal_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestDocumented: every package that others may import has an overview, and every exported
// name a doc comment; of a constant or a variable that of its group will do.
func TestDocumented(t *testing.T) {
	checked := 0
	for _, dir := range exportedDirs(t) {
		pkg := packageDoc{t: t, dir: dir}
		names, _ := filepath.Glob(filepath.Join(dir, "*.go"))
		for _, name := range names {
			if strings.HasSuffix(name, "_test.go") {
				continue
			}
			file, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.ParseComments|parser.SkipObjectResolution)
			if err != nil {
				t.Fatal(err)
			}
			pkg.overview = pkg.overview || file.Doc != nil
			for _, d := range file.Decls {
				pkg.check(d)
			}
		}
		checked += pkg.checked
		if pkg.checked > 0 && !pkg.overview {
			t.Errorf("%s has no overview", dir)
		}
	}
	if checked < 300 {
		t.Errorf("only %d names were found", checked)
	}
}

type packageDoc struct {
	t        *testing.T
	dir      string
	overview bool
	checked  int
}

func (p *packageDoc) check(d ast.Decl) {
	switch d := d.(type) {
	case *ast.FuncDecl:
		if d.Name.IsExported() && (d.Recv == nil || isExportedType(d.Recv.List[0].Type)) {
			p.want(d.Name.Name, d.Doc != nil || isObvious[d.Name.Name])
		}
	case *ast.GenDecl:
		for _, spec := range d.Specs {
			switch s := spec.(type) {
			case *ast.TypeSpec:
				if s.Name.IsExported() {
					p.want(s.Name.Name, d.Doc != nil || s.Doc != nil)
				}
			case *ast.ValueSpec:
				if s.Names[0].IsExported() {
					p.want(s.Names[0].Name, d.Doc != nil || s.Doc != nil || s.Comment != nil)
				}
			}
		}
	}
}

// isObvious are methods of error and fmt.Stringer, whose meaning is that of the interface.
var isObvious = map[string]bool{"Error": true, "String": true}

func (p *packageDoc) want(name string, ok bool) {
	p.checked++
	if !ok {
		p.t.Errorf("%s: %s has no doc comment", p.dir, name)
	}
}

func isExportedType(e ast.Expr) bool {
	switch e := e.(type) {
	case *ast.StarExpr:
		return isExportedType(e.X)
	case *ast.IndexExpr:
		return isExportedType(e.X)
	case *ast.Ident:
		return e.IsExported()
	}
	return false
}

// exportedDirs are the directories of all modules whose packages others may import.
func exportedDirs(t *testing.T) (dirs []string) {
	err := filepath.WalkDir("..", func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.IsDir() {
			return err
		}
		switch base := d.Name(); {
		case base == "internal" || base == "examples" || base == "testdata" || base == "cmd" || base != ".." && strings.HasPrefix(base, "."):
			return fs.SkipDir
		}
		dirs = append(dirs, path)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat("../client"); err != nil {
		t.Fatal(err)
	}
	return dirs
}
