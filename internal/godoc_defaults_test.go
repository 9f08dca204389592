package internal_test

import (
	"go/ast"
	"go/constant"
	"go/token"
	"go/types"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/countersign/countersign/internal/jose"
)

// documentedDefault finds the default of a number in the comment of a field.
var documentedDefault = regexp.MustCompile(`\b0 means ([0-9][0-9,]*|one|five)(?: and [0-9]+)? ?(seconds?|minutes?|hours?|days?|KiB|MiB)?\b`)

var units = map[string]int64{
	"": 1, "second": int64(time.Second), "minute": int64(time.Minute), "hour": int64(time.Hour), "day": int64(24 * time.Hour), "KiB": 1 << 10, "MiB": 1 << 20,
}

// defaultOf returns the value that a comment names: a number, bytes or nanoseconds.
func defaultOf(comment string) (value int64, ok bool) {
	m := documentedDefault.FindStringSubmatch(comment)
	if m == nil {
		return 0, false
	}
	n, err := strconv.ParseInt(strings.ReplaceAll(m[1], ",", ""), 10, 64)
	if err != nil {
		n = map[string]int64{"one": 1, "five": 5}[m[1]]
	}
	return n * units[strings.TrimSuffix(m[2], "s")], true
}

// defaultElsewhere are fields that are passed on. The other field has the default, and its comment
// names an equal value.
var defaultElsewhere = map[string]string{
	"client.Config.MaxSize":           "idtoken.Verifier.MaxSize",
	"grant.AssertionRequest.Lifetime": "auth.Assertion.Lifetime",
	"rs.IDToken.MaxSize":              "idtoken.Verifier.MaxSize",
	"rs.IDToken.Skew":                 "idtoken.Verifier.Skew",
	"rs.JWT.MaxSize":                  "idtoken.Verifier.MaxSize",
	"idtoken.Verifier.MaxSize":        "jose.DefaultMaxSize",
}

// TestDefaults: the default that the comment of a field names is in the code that reads the field.
func TestDefaults(t *testing.T) {
	named := map[string]int64{"jose.DefaultMaxSize": jose.DefaultMaxSize}
	for _, p := range documentedPackages(t) {
		for field, value := range p.documentedDefaults() {
			key := p.types.Name() + "." + p.ownerOf(field) + "." + field.Name()
			named[key] = value
			if defaultElsewhere[key] == "" && !p.reads(field, value) {
				t.Errorf("the comment of %s says that 0 means %d, which is not in the code that reads it", key, value)
			}
		}
	}
	for key, other := range defaultElsewhere {
		if named[key] == 0 || named[key] != named[other] {
			t.Errorf("the default of %s is %d, that of %s is %d", key, named[key], other, named[other])
		}
	}
	if len(named) < 30 {
		t.Errorf("only %d defaults were found", len(named))
	}
}

// documentedDefaults are the fields of exported structs whose comment names a default.
func (p *loadedPackage) documentedDefaults() map[*types.Var]int64 {
	all := map[*types.Var]int64{}
	for _, file := range p.files {
		ast.Inspect(file, func(n ast.Node) bool {
			if f, ok := n.(*ast.Field); ok && len(f.Names) > 0 && f.Names[0].IsExported() {
				if field, ok := p.info.Defs[f.Names[0]].(*types.Var); ok && field.IsField() {
					if value, ok := defaultOf(onOneLine(f.Doc.Text() + " " + f.Comment.Text())); ok && p.ownerOf(field) != "" {
						all[field] = value
					}
				}
			}
			return true
		})
	}
	return all
}

// ownerOf returns the name of the exported struct with a field.
func (p *loadedPackage) ownerOf(field *types.Var) string {
	for _, name := range p.types.Scope().Names() {
		if s, ok := p.types.Scope().Lookup(name).Type().Underlying().(*types.Struct); ok && token.IsExported(name) {
			for f := range s.Fields() {
				if f == field {
					return name
				}
			}
		}
	}
	return ""
}

// reads reports whether a function that reads a field, or one that it calls, contains the value as a
// constant.
func (p *loadedPackage) reads(field *types.Var, value int64) bool {
	readers, holders := map[*types.Func]bool{}, map[*types.Func]bool{}
	for _, file := range p.files {
		for _, d := range file.Decls {
			if fn, ok := d.(*ast.FuncDecl); ok && fn.Body != nil {
				object := p.info.Defs[fn.Name].(*types.Func)
				ast.Inspect(fn.Body, func(n ast.Node) bool {
					id, ok := n.(*ast.Ident)
					readers[object] = readers[object] || ok && p.info.Uses[id] == field
					e, ok := n.(ast.Expr)
					holders[object] = holders[object] || ok && p.isConstant(e, value)
					return true
				})
			}
		}
	}
	for reader, ok := range readers {
		if ok && (holders[reader] || slices.ContainsFunc(p.calls[reader], func(called *types.Func) bool { return holders[called] })) {
			return true
		}
	}
	return false
}

func (p *loadedPackage) isConstant(e ast.Expr, value int64) bool {
	v := p.info.Types[e].Value
	if v == nil {
		return false
	}
	n, exact := constant.Int64Val(constant.ToInt(v))
	return exact && n == value
}
