package internal_test

import (
	"go/ast"
	"go/doc"
	"go/parser"
	"go/token"
	"path/filepath"
	"strings"
	"testing"
)

// withoutExample are the types that no Example needs, with the reason.
var withoutExample = map[string]string{
	"client/grant.Ping": "a PingHandler reads it",
	"discovery.Error":   "Examples of client.Error show errors.As",
	"par.Error":         "Examples of client.Error show errors.As",
	"redisstore.Error":  "Examples of client.Error show errors.As",
	"sqlstore.Error":    "Examples of client.Error show errors.As",
}

// TestTypesInExamples: each exported type with a method or a constructor is part of an Example: it
// is named there, or a call returns it.
func TestTypesInExamples(t *testing.T) {
	used := namesInExamples(t)
	checked, excepted := 0, 0
	for _, dir := range exportedDirs(t) {
		for name, makers := range typesOf(t, dir) {
			key := strings.TrimPrefix(dir, "../") + "." + name
			found := used[filepath.Base(dir)+"."+name]
			for _, maker := range makers {
				found = found || used[maker]
			}
			checked++
			switch {
			case !found && withoutExample[key] == "":
				t.Errorf("no Example uses %s: add one, or the reason to withoutExample", key)
			case found && withoutExample[key] != "":
				t.Errorf("an Example uses %s: remove it from withoutExample", key)
			case !found:
				excepted++
			}
		}
	}
	if checked < 60 || excepted != len(withoutExample) {
		t.Errorf("%d types were found, and %d of %d exceptions", checked, excepted, len(withoutExample))
	}
}

// typesOf returns the exported types of a package that have methods, and the functions and methods
// that return them.
func typesOf(t *testing.T, dir string) map[string][]string {
	methods, makers := map[string]bool{}, map[string][]string{}
	for _, file := range parsed(t, dir, func(name string) bool { return !strings.HasSuffix(name, "_test.go") }) {
		for _, d := range file.Decls {
			fn, ok := d.(*ast.FuncDecl)
			if !ok || !fn.Name.IsExported() {
				continue
			}
			if fn.Recv != nil && isExportedType(fn.Recv.List[0].Type) && !printing[fn.Name.Name] {
				methods[baseName(fn.Recv.List[0].Type)] = true
			}
			if fn.Type.Results == nil || fn.Recv != nil && !isExportedType(fn.Recv.List[0].Type) {
				continue
			}
			for _, result := range fn.Type.Results.List {
				if name := baseName(result.Type); ast.IsExported(name) {
					makers[name] = append(makers[name], maker(dir, fn))
				}
			}
		}
	}
	all := map[string][]string{}
	for name := range methods {
		all[name] = makers[name]
	}
	return all
}

// maker is the name of a call in Examples: of a function with its package, of a method after a dot.
func maker(dir string, fn *ast.FuncDecl) string {
	if fn.Recv == nil {
		return filepath.Base(dir) + "." + fn.Name.Name
	}
	return "." + fn.Name.Name
}

// printing are methods that only print a value or encode it.
var printing = map[string]bool{"Format": true, "LogValue": true, "String": true, "Error": true, "Unwrap": true, "MarshalText": true, "MarshalJSON": true}

// baseName returns the name of a type without pointer, or "" for one of another package.
func baseName(e ast.Expr) string {
	switch e := e.(type) {
	case *ast.StarExpr:
		return baseName(e.X)
	case *ast.IndexExpr:
		return baseName(e.X)
	case *ast.ArrayType:
		return baseName(e.Elt)
	case *ast.Ident:
		return e.Name
	}
	return ""
}

// namesInExamples are the names after a dot in the Examples of all packages, also with what is before
// the dot.
func namesInExamples(t *testing.T) map[string]bool {
	used := map[string]bool{}
	for _, dir := range exportedDirs(t) {
		files := parsed(t, dir, func(name string) bool { return strings.HasSuffix(name, "_test.go") })
		for _, e := range doc.Examples(files...) {
			ast.Inspect(e.Code, func(n ast.Node) bool {
				if s, ok := n.(*ast.SelectorExpr); ok {
					used["."+s.Sel.Name] = true
					if x, ok := s.X.(*ast.Ident); ok {
						used[x.Name+"."+s.Sel.Name] = true
					}
				}
				return true
			})
		}
	}
	return used
}

func parsed(t *testing.T, dir string, want func(name string) bool) (files []*ast.File) {
	names, err := filepath.Glob(filepath.Join(dir, "*.go"))
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		if !want(name) {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.ParseComments)
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, file)
	}
	return files
}
