package internal_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// qualified matches a name in a text, such as Config.Auth or auth.Public.
var qualified = regexp.MustCompile(`\b([A-Za-z]\w*)\.([A-Z]\w+)`)

// TestTextsNameWhatExists: a setting, a method or a function that an error names exists.
func TestTextsNameWhatExists(t *testing.T) {
	known, checked := exportedNames(t), 0
	for _, s := range texts(t) {
		for _, name := range qualified.FindAllStringSubmatch(s.text, -1) {
			members := known[name[1]]
			if members == nil {
				continue
			}
			checked++
			if !members[name[2]] {
				t.Errorf("%s: %s does not exist: %s", s.at, name[0], s.text)
			}
		}
	}
	if checked < 400 {
		t.Errorf("only %d names were checked", checked)
	}
}

// exportedNames returns the fields and methods of each type, and the names that each package
// declares.
func exportedNames(t *testing.T) map[string]map[string]bool {
	known := map[string]map[string]bool{}
	for _, dir := range exportedDirs(t) {
		files, _ := filepath.Glob(filepath.Join(dir, "*.go"))
		for _, name := range slices.DeleteFunc(files, func(f string) bool { return strings.HasSuffix(f, "_test.go") }) {
			file, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.SkipObjectResolution)
			if err != nil {
				t.Fatal(err)
			}
			for _, d := range file.Decls {
				addNames(known, file.Name.Name, d)
			}
		}
	}
	for _, names := range known {
		for name := range names {
			if embedded, ok := strings.CutPrefix(name, embeds); ok {
				maps.Copy(names, known[embedded])
			}
		}
	}
	return known
}

const embeds = "embeds " // before the name of an embedded type

func addNames(known map[string]map[string]bool, pkg string, d ast.Decl) {
	add := func(of, name string) {
		if known[of] == nil {
			known[of] = map[string]bool{}
		}
		known[of][name] = true
	}
	if f, ok := d.(*ast.FuncDecl); ok {
		if f.Recv == nil {
			add(pkg, f.Name.Name)
		} else {
			add(typeName(f.Recv.List[0].Type), f.Name.Name)
			add(pkg, f.Name.Name) // login.Callback is short for a method of login.Login
		}
		return
	}
	for _, spec := range d.(*ast.GenDecl).Specs {
		switch s := spec.(type) {
		case *ast.ValueSpec:
			for _, name := range s.Names {
				add(pkg, name.Name)
			}
		case *ast.TypeSpec:
			add(pkg, s.Name.Name)
			for _, name := range members(s.Type) {
				add(s.Name.Name, name)
			}
		}
	}
}

// members returns the fields of a struct or the methods of an interface.
func members(e ast.Expr) (names []string) {
	var list *ast.FieldList
	switch e := e.(type) {
	case *ast.StructType:
		list = e.Fields
	case *ast.InterfaceType:
		list = e.Methods
	default:
		return nil
	}
	for _, field := range list.List {
		if len(field.Names) == 0 {
			names = append(names, embeds+typeName(field.Type))
		}
		for _, name := range field.Names {
			names = append(names, name.Name)
		}
	}
	return names
}

// typeName returns the name of a type without its package.
func typeName(e ast.Expr) string {
	switch e := e.(type) {
	case *ast.StarExpr:
		return typeName(e.X)
	case *ast.SelectorExpr:
		return e.Sel.Name
	case *ast.Ident:
		return e.Name
	}
	return ""
}
