package internal_test

import (
	"go/ast"
	"go/types"
	"regexp"
	"strings"
	"testing"
)

// TestDocLinks: each link in a comment leads to a name that exists. Overviews that are organized by
// task have a heading for each.
func TestDocLinks(t *testing.T) {
	links := 0
	headings := map[string]int{module + "/client": 5, module + "/client/login": 5, module + "/rs": 5}
	for _, p := range documentedPackages(t) {
		for _, file := range p.files {
			for _, group := range file.Comments {
				for _, link := range docLink.FindAllStringSubmatch(group.Text(), -1) {
					links++
					if ast.IsExported(lastName(link[1])) && !p.resolves(link[1]) {
						t.Errorf("%s: the link [%s] leads nowhere", p.path, link[1])
					}
				}
			}
			if n := headings[p.path]; n > 0 && file.Doc != nil && strings.Count(file.Doc.Text(), "\n# ") < n {
				t.Errorf("%s: the overview has fewer than %d headings", p.path, n)
			}
		}
	}
	if links < 400 {
		t.Errorf("only %d links were found", links)
	}
}

func lastName(path string) string { return path[strings.LastIndex(path, ".")+1:] }

// resolves reports whether a link is a name of the package, or of one that it imports.
func (p *loadedPackage) resolves(link string) bool {
	first, rest, _ := strings.Cut(link, ".")
	if ast.IsExported(first) {
		return hasName(p.types, first, rest)
	}
	for _, imported := range p.types.Imports() {
		name, member, _ := strings.Cut(rest, ".")
		if imported.Name() == first && hasName(imported, name, member) {
			return true
		}
	}
	return false
}

// hasName reports whether a package has a name, and the type of that name a member.
func hasName(p *types.Package, name, member string) bool {
	object := p.Scope().Lookup(name)
	if object == nil || member == "" {
		return object != nil
	}
	found, _, _ := types.LookupFieldOrMethod(types.NewPointer(object.Type()), true, p, member)
	if types.IsInterface(object.Type()) {
		found, _, _ = types.LookupFieldOrMethod(object.Type(), true, p, member)
	}
	return found != nil
}

// notNamed are implementations that the comment of an interface need not name, with the reason.
var notNamed = map[string]string{
	"login.Effect Login": "a Login ends its own sessions itself",
}

// aboutImplementations finds a sentence about the implementations of an interface.
var aboutImplementations = regexp.MustCompile(`[^.]*(?:\.\w[^.]*)*\bimplements? it\b`)

// TestImplementations: if the comment of an interface says what implements it, it names every type of
// the package that does, and both modules with stores. The comment of auth.Method names all functions
// that return one.
func TestImplementations(t *testing.T) {
	checked := 0
	for _, p := range loadPackages(t, "..") {
		for name, comment := range p.typeComments() {
			sentence := aboutImplementations.FindString(comment)
			if strings.Contains(sentence, "redisstore.") != strings.Contains(sentence, "sqlstore.") {
				t.Errorf("%s.%s: name the Stores of redisstore and sqlstore", p.types.Name(), name)
			}
			iface, ok := p.types.Scope().Lookup(name).Type().Underlying().(*types.Interface)
			if sentence == "" || !ok {
				continue
			}
			checked++
			for _, other := range p.implementing(iface) {
				if !names(sentence, other) && notNamed[p.types.Name()+"."+name+" "+other] == "" {
					t.Errorf("%s.%s: the comment does not say that %s implements it", p.types.Name(), name, other)
				}
			}
		}
		if p.path == module+"/client/auth" {
			comment := p.typeComments()["Method"]
			for _, f := range p.exported() {
				results := f.object.Signature().Results()
				if f.decl.Recv == nil && results.Len() == 1 && strings.HasSuffix(results.At(0).Type().String(), "auth.Method") && !names(comment, f.name) {
					t.Errorf("the comment of auth.Method does not name %s", f.name)
				}
			}
		}
	}
	if checked < 8 {
		t.Errorf("only %d interfaces were found", checked)
	}
}

// typeComments are the comments of the exported types of a package, on one line.
func (p *loadedPackage) typeComments() map[string]string {
	all := map[string]string{}
	for _, file := range p.files {
		for _, d := range file.Decls {
			group, ok := d.(*ast.GenDecl)
			if !ok {
				continue
			}
			for _, s := range group.Specs {
				if s, ok := s.(*ast.TypeSpec); ok && s.Name.IsExported() {
					all[s.Name.Name] = onOneLine(group.Doc.Text() + " " + s.Doc.Text())
				}
			}
		}
	}
	return all
}

// implementing are the exported types of the package that implement an interface.
func (p *loadedPackage) implementing(iface *types.Interface) (all []string) {
	for _, name := range p.types.Scope().Names() {
		object, ok := p.types.Scope().Lookup(name).(*types.TypeName)
		if ok && object.Exported() && !types.IsInterface(object.Type()) && types.Implements(types.NewPointer(object.Type()), iface) {
			all = append(all, name)
		}
	}
	return all
}
