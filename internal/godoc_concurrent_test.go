package internal_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// plainMethods are methods of values: they print, encode or read a value that goroutines do not share.
var plainMethods = regexp.MustCompile(`^(Error|Unwrap|Temporary|String|Format|LogValue|Marshal\w+|Unmarshal\w+|Claims|Claim|Decode|Encode|Is[A-Z]\w*|Form|Valid)$`)

// plainValues are further values: one goroutine uses them, or they do not change.
var plainValues = map[string]bool{
	"client.Error": true, "client.Pending": true, "client/registration.Registered": true, "client/tokens.ChallengeError": true,
	"client/tokens.Stored": true, "discovery.Metadata": true, "discovery.Resource": true, "discovery/issuertest.Fault": true,
	"discovery/issuertest.Key": true, "idtoken.Report": true, "idtoken.Token": true, "client/auth.Assertion": true,
	"pkce.Verifier": true, "rs.Principal": true, "rs/ssf.EffectFunc": true,
}

// TestConcurrentUse: the comment of each exported type that does work says whether it is safe for
// concurrent use.
func TestConcurrentUse(t *testing.T) {
	checked := 0
	for _, dir := range exportedDirs(t) {
		docs, methods := documentedTypes(t, dir)
		for name, doc := range docs {
			key := strings.TrimPrefix(filepath.ToSlash(dir), "../") + "." + name
			if !worksWith(methods[name]) || plainValues[key] {
				continue
			}
			checked++
			if !strings.Contains(onOneLine(doc), "safe for concurrent use") {
				t.Errorf("%s: say in its comment whether it is safe for concurrent use", key)
			}
		}
	}
	if checked < 35 {
		t.Errorf("only %d types were found", checked)
	}
}

func worksWith(methods []string) bool {
	for _, m := range methods {
		if !plainMethods.MatchString(m) {
			return true
		}
	}
	return false
}

// documentedTypes returns the comments and the exported methods of the exported types of a directory.
func documentedTypes(t *testing.T, dir string) (docs map[string]string, methods map[string][]string) {
	docs, methods = map[string]string{}, map[string][]string{}
	names, _ := filepath.Glob(filepath.Join(dir, "*.go"))
	for _, name := range names {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.ParseComments|parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range file.Decls {
			addType(d, docs, methods)
		}
	}
	return docs, methods
}

func addType(d ast.Decl, docs map[string]string, methods map[string][]string) {
	switch d := d.(type) {
	case *ast.FuncDecl:
		if d.Recv != nil && d.Name.IsExported() && isExportedType(d.Recv.List[0].Type) {
			name := receiverName(d.Recv.List[0].Type)
			methods[name] = append(methods[name], d.Name.Name)
		}
	case *ast.GenDecl:
		for _, s := range d.Specs {
			if s, ok := s.(*ast.TypeSpec); ok && s.Name.IsExported() {
				docs[s.Name.Name] = d.Doc.Text() + s.Doc.Text()
			}
		}
	}
}

func receiverName(e ast.Expr) string {
	switch e := e.(type) {
	case *ast.StarExpr:
		return receiverName(e.X)
	case *ast.IndexExpr:
		return receiverName(e.X)
	case *ast.Ident:
		return e.Name
	}
	return ""
}
