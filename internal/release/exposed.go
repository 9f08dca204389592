package main

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"strings"
)

// exposedPackages returns the internal packages whose types are in the exported API below root, such
// as by a type alias. The names are relative to root, whose module path is path.
func exposedPackages(root, path string) (map[string]bool, error) {
	exposed := map[string]bool{}
	err := filepath.WalkDir(root, func(name string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && (d.Name() == "internal" || d.Name() == "testdata" || strings.HasPrefix(d.Name(), ".") && name != root):
			return fs.SkipDir
		case d.IsDir() || filepath.Ext(name) != ".go" || strings.HasSuffix(name, "_test.go"):
			return nil
		}
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		for rel := range exposedBy(file, path+"/") {
			exposed[rel] = true
		}
		return nil
	})
	return exposed, err
}

// exposedBy returns the internal packages that exported declarations of a file name.
func exposedBy(file *ast.File, prefix string) map[string]bool {
	imported, exposed := map[string]string{}, map[string]bool{}
	for _, i := range file.Imports {
		rel, ours := strings.CutPrefix(strings.Trim(i.Path.Value, `"`), prefix)
		if !ours || moved(rel) == rel {
			continue
		}
		name := rel[strings.LastIndex(rel, "/")+1:]
		if i.Name != nil {
			name = i.Name.Name
		}
		imported[name] = rel
	}
	for _, part := range exportedParts(file) {
		ast.Inspect(part, func(n ast.Node) bool {
			if s, ok := n.(*ast.SelectorExpr); ok {
				if x, ok := s.X.(*ast.Ident); ok && imported[x.Name] != "" {
					exposed[imported[x.Name]] = true
				}
			}
			return true
		})
	}
	return exposed
}

// exportedParts returns the types of exported declarations, without unexported fields and without
// the bodies of functions.
func exportedParts(file *ast.File) (parts []ast.Node) {
	for _, d := range file.Decls {
		switch d := d.(type) {
		case *ast.FuncDecl:
			if d.Name.IsExported() {
				parts = append(parts, d.Type)
			}
		case *ast.GenDecl:
			for _, spec := range d.Specs {
				if s, ok := spec.(*ast.TypeSpec); ok && s.Name.IsExported() {
					parts = append(parts, exportedFields(s.Type)...)
				}
			}
		}
	}
	return parts
}

func exportedFields(t ast.Expr) (parts []ast.Node) {
	fields, ok := t.(*ast.StructType)
	if !ok {
		return []ast.Node{t}
	}
	for _, f := range fields.Fields.List {
		if len(f.Names) == 0 || f.Names[0].IsExported() {
			parts = append(parts, f.Type)
		}
	}
	return parts
}
