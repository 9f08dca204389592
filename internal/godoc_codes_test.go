package internal_test

import (
	"go/ast"
	"go/constant"
	"go/types"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// codeConstants are the constants that are error codes, by package.
var codeConstants = map[string]*regexp.Regexp{
	module + "/client/login":        regexp.MustCompile(`^Code[A-Z]`),
	module + "/client/registration": regexp.MustCompile(`^(Invalid|Unapproved)`),
	module + "/client/tokens":       regexp.MustCompile(`^(UseDPoPNonce|Invalid|Insufficient)`),
	module + "/rs":                  regexp.MustCompile(`^(UseDPoPNonce|Invalid|Insufficient)`),
	module + "/rs/ssf":              regexp.MustCompile(`^(Invalid[A-Z]|AuthenticationFailed$)`),
}

// checkConstants: each error code of a package is named in the doc comment of a call.
func (p *loadedPackage) checkConstants(t *testing.T, calls []*function) {
	isCode := codeConstants[p.path]
	if isCode == nil {
		return
	}
	var docs strings.Builder
	for _, f := range calls {
		docs.WriteString(f.doc)
	}
	for _, name := range p.types.Scope().Names() {
		c, ok := p.types.Scope().Lookup(name).(*types.Const)
		if !ok || !isCode.MatchString(name) || c.Val().Kind() != constant.String {
			continue
		}
		if !names(docs.String(), name) && !names(docs.String(), constant.StringVal(c.Val())) {
			t.Errorf("%s: no doc comment of a call names the code %s", p.path, name)
		}
	}
}

// serverCodes are the error codes that endpoints send, those of extensions, and those of package
// client.
func serverCodes() (all []string) {
	for _, e := range endpoints {
		all = append(all, e.codes...)
	}
	return slices.Concat(all, extensions, moduleCodes, polling, []string{"invalid_error_code"})
}

// quotedCode finds the codes in a doc comment, in quotes.
var quotedCode = regexp.MustCompile(`"([a-z]+(?:_[a-z]+)+)"`)

// checkServerCodes: a code that a doc comment lists, after the word Code or Codes, is one that exists.
func (p *loadedPackage) checkServerCodes(t *testing.T, f *function) (n int) {
	_, list, ok := strings.Cut(f.doc, "Code")
	if !ok || p.path == module+"/client/login" || !strings.HasPrefix(p.path, module+"/client") && p.path != module+"/par" {
		return 0
	}
	for _, code := range quotedCode.FindAllStringSubmatch(list, -1) {
		n++
		if !slices.Contains(serverCodes(), code[1]) {
			t.Errorf("%s: the doc comment of %s lists %q, which no endpoint sends", p.path, f.name, code[1])
		}
	}
	return n
}

// typedErrors are the errors of a package without codes: "*Error" and other types that are made,
// and variables such as ErrNoEndpoint.
func typedErrors(p *loadedPackage, n ast.Node) []string {
	switch n := n.(type) {
	case *ast.CompositeLit:
		named, ok := types.Unalias(p.info.TypeOf(n)).(*types.Named)
		if ok && named.Obj().Exported() && named.Obj().Pkg() == p.types && isError(types.NewPointer(named)) {
			return []string{"*" + named.Obj().Name()}
		}
	case *ast.Ident:
		v, ok := p.info.Uses[n].(*types.Var)
		if ok && v.Exported() && v.Parent() == p.types.Scope() && isError(v.Type()) {
			return []string{v.Name()}
		}
	}
	return nil
}

func isError(t types.Type) bool {
	return types.Implements(t, types.Universe.Lookup("error").Type().Underlying().(*types.Interface))
}
