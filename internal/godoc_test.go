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

// TestDocumented: every package that others may import has an overview, and every exported name a
// doc comment that starts with the name. For a constant, a variable or a field, the comment of its
// group is enough.
func TestDocumented(t *testing.T) {
	checked := 0
	for _, dir := range exportedDirs(t) {
		pkg := packageDoc{t: t, dir: dir, fset: token.NewFileSet()}
		names, _ := filepath.Glob(filepath.Join(dir, "*.go"))
		for _, name := range names {
			if strings.HasSuffix(name, "_test.go") {
				continue
			}
			file, err := parser.ParseFile(pkg.fset, name, nil, parser.ParseComments|parser.SkipObjectResolution)
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
	fset     *token.FileSet
	dir      string
	overview bool
	checked  int
}

func (p *packageDoc) check(d ast.Decl) {
	switch d := d.(type) {
	case *ast.FuncDecl:
		if d.Name.IsExported() && (d.Recv == nil || isExportedType(d.Recv.List[0].Type)) {
			p.want(d.Name.Name, isObvious[d.Name.Name] && d.Doc == nil || startsWith(d.Doc, d.Name.Name))
		}
	case *ast.GenDecl:
		for _, spec := range d.Specs {
			switch s := spec.(type) {
			case *ast.TypeSpec:
				if s.Name.IsExported() {
					p.want(s.Name.Name, len(d.Specs) == 1 && startsWith(d.Doc, s.Name.Name) || startsWith(s.Doc, s.Name.Name))
					p.checkMembers(s)
				}
			case *ast.ValueSpec:
				if s.Names[0].IsExported() {
					p.want(s.Names[0].Name, d.Lparen.IsValid() && (d.Doc != nil || s.Doc != nil || s.Comment != nil) || startsWith(d.Doc, s.Names[0].Name))
				}
			}
		}
	}
}

// checkMembers: a struct has a comment for each exported field, on the line, above it or above its
// group. An interface with several methods has one for each method.
func (p *packageDoc) checkMembers(s *ast.TypeSpec) {
	switch t := s.Type.(type) {
	case *ast.StructType:
		inGroup := false
		for i, f := range t.Fields.List {
			inGroup = f.Doc != nil || inGroup && p.follows(t.Fields.List[i-1], f)
			if len(f.Names) > 0 && f.Names[0].IsExported() {
				p.want(s.Name.Name+"."+f.Names[0].Name, f.Comment != nil || inGroup)
			}
		}
	case *ast.InterfaceType:
		for _, m := range t.Methods.List {
			if len(m.Names) > 0 && m.Names[0].IsExported() && len(t.Methods.List) > 1 && s.Name.Name != "T" { // of *testing.T
				p.want(s.Name.Name+"."+m.Names[0].Name, startsWith(m.Doc, m.Names[0].Name))
			}
		}
	}
}

// follows reports whether a field is on the line after another one, in the same group.
func (p *packageDoc) follows(before, f *ast.Field) bool {
	return p.fset.Position(f.Pos()).Line == p.fset.Position(before.End()).Line+1
}

// startsWith reports whether a doc comment starts with the name, perhaps after an article.
func startsWith(doc *ast.CommentGroup, name string) bool {
	for _, article := range []string{"", "A ", "An ", "The "} {
		if rest, ok := strings.CutPrefix(doc.Text(), article+name); ok && (rest == "" || !isWord(rest[0])) {
			return true
		}
	}
	return false
}

func isWord(c byte) bool {
	return c == '_' || '0' <= c && c <= '9' || 'A' <= c && c <= 'Z' || 'a' <= c && c <= 'z'
}

// isObvious reports methods of error and fmt.Stringer, which need no comment.
var isObvious = map[string]bool{"Error": true, "String": true}

func (p *packageDoc) want(name string, ok bool) {
	p.checked++
	if !ok {
		p.t.Errorf("%s: %s has no doc comment, or one that does not start with its name", p.dir, name)
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

// exportedDirs are the directories of all public packages of all modules.
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
