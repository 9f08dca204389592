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

// TestErrorsDocumented: the doc comment of every exported call that can fail says how. If the
// package has codes, it names exactly the codes that the call can reach.
func TestErrorsDocumented(t *testing.T) {
	checked, coded, listed := 0, 0, 0
	for _, p := range documentedPackages(t) {
		calls := p.exported()
		p.checkConstants(t, calls)
		for _, f := range calls {
			listed += p.checkServerCodes(t, f)
			if f.canFail() {
				checked++
				if !saysError.MatchString(f.doc) {
					t.Errorf("%s: the doc comment of %s does not say which errors it returns", p.path, f.name)
				}
			}
			if !p.typed || f.canFail() {
				coded += p.checkCodes(t, f)
			}
		}
	}
	if checked < 150 || coded < 60 || listed < 60 {
		t.Errorf("only %d calls that can fail, %d codes and %d codes of servers were found", checked, coded, listed)
	}
}

// saysError finds a statement about errors in a doc comment.
var saysError = regexp.MustCompile(`(?i)\berrors?\b|\bfails\b|\banswers 401\b`)

// codesOf finds the codes that one node of the syntax tree makes, by package.
var codesOf = map[string]func(p *loadedPackage, n ast.Node) []string{
	module + "/rs":           rsCodes,
	module + "/rs/ssf":       constantsOf("InvalidRequest", "InvalidKey", "InvalidIssuer", "InvalidAudience", "AuthenticationFailed", "InvalidState"),
	module + "/rs/grpcrs":    grpcCodes,
	module + "/rs/authzen":   rsCodes,
	module + "/mcpauth":      rsCodes,
	module + "/client/login": loginCodes,
}

// unreachable are codes that the walk finds because it does not follow values, with the reason.
var unreachable = map[string]string{
	"RequireACR 403 insufficient_scope":    "its check returns an *Error",
	"RequireMaxAge 403 insufficient_scope": "its check returns an *Error",
}

// perhaps are codes that depend on a value, so that the walk does not find them. A call that
// reaches codeOf can have each of its codes.
var perhaps = map[string][]string{
	"codeOf": {"CodeDenied", "CodeSignIn", "CodeFailed", "CodeConfiguration", "CodeAnotherUser", "CodeExpired", "CodeTooLarge", "CodeLimited", "CodeUnavailable"},
}

// checkCodes compares the doc comment of a call with the codes that it reaches.
func (p *loadedPackage) checkCodes(t *testing.T, f *function) (n int) {
	reached := p.reach(f.object)
	if f.isCheck() && !p.typed { // a Protection answers every other error in this way
		reached["401 invalid_token"] = true
	}
	if p.typed && elsewhere.MatchString(f.doc) {
		return 0
	}
	for code := range reached {
		n++
		if unreachable[f.name+" "+code] == "" && !names(f.doc, code) {
			t.Errorf("%s: the doc comment of %s does not name %q, which it can return", p.path, f.name, code)
		}
	}
	maybe := p.maybe(f.object)
	for code := range p.codes {
		if letters.MatchString(code) && names(f.doc, code) && !reached[code] && !slices.Contains(maybe, code) {
			t.Errorf("%s: the doc comment of %s names %q, which it cannot return", p.path, f.name, code)
		}
	}
	return n
}

// elsewhere finds a comment that refers to the errors of another call, or says what they are not.
var elsewhere = regexp.MustCompile(`returns\s+the\s+errors\s+of\s+\[|need\s+not\s+be\s+an\s+\[\*Error\]|None\s+of\s+them\s+is\s+an\s+\[\*Error\]`)

var (
	letters  = regexp.MustCompile(`[A-Za-z]`)
	withCode = regexp.MustCompile(`\b\d{3} [a-z]+_[a-z_]+`)
)

// names reports whether doc has a code as whole words. Line ends count as spaces. A status does not
// count as part of a longer code. For 503, a Temporary error will do.
func names(doc, code string) bool {
	doc = strings.Join(strings.Fields(doc), " ")
	if !letters.MatchString(code) {
		doc = withCode.ReplaceAllString(doc, "")
	}
	return regexp.MustCompile(`(^|[^\w])`+regexp.QuoteMeta(code)+`($|[^\w])`).MatchString(doc) || code == "503" && strings.Contains(doc, "Temporary")
}

// rsCodes returns the answers of package rs, such as "401 invalid_token".
func rsCodes(p *loadedPackage, n ast.Node) []string {
	lit, ok := n.(*ast.CompositeLit)
	if !ok {
		return nil
	}
	switch named, _ := p.info.TypeOf(lit).(*types.Named); {
	case named == nil:
		return nil
	case named.Obj().Name() == "unavailable":
		return []string{"503"}
	case named.Obj().Name() != "Error":
		return nil
	}
	var status, code string
	for _, e := range lit.Elts {
		pair := e.(*ast.KeyValueExpr)
		if v := p.info.Types[pair.Value].Value; v != nil {
			switch pair.Key.(*ast.Ident).Name {
			case "Status":
				status = v.ExactString()
			case "Code":
				code = constant.StringVal(v)
			}
		}
	}
	return []string{strings.TrimSpace(status + " " + code)}
}

// grpcCodes returns the codes of gRPC.
func grpcCodes(p *loadedPackage, n ast.Node) []string {
	if id, ok := n.(*ast.Ident); ok {
		if c, ok := p.info.Uses[id].(*types.Const); ok && c.Pkg() != nil && c.Pkg().Path() == "google.golang.org/grpc/codes" {
			return []string{c.Name()}
		}
	}
	return nil
}

// constantsOf returns a function that finds the values of constants of the package.
func constantsOf(list ...string) func(*loadedPackage, ast.Node) []string {
	return func(p *loadedPackage, n ast.Node) []string {
		if id, ok := n.(*ast.Ident); ok && slices.Contains(list, id.Name) {
			if c, ok := p.info.Uses[id].(*types.Const); ok && c.Pkg() == p.types {
				return []string{constant.StringVal(c.Val())}
			}
		}
		return nil
	}
}

// loginCodes returns the codes of problems. Functions that only compare codes have none.
func loginCodes(p *loadedPackage, n ast.Node) []string {
	id, ok := n.(*ast.Ident)
	if !ok || !strings.HasPrefix(id.Name, "Code") {
		return nil
	}
	if c, ok := p.info.Uses[id].(*types.Const); ok && c.Pkg() == p.types {
		return []string{c.Name()}
	}
	return nil
}

// compares are functions that compare or choose codes by a value. The walk does not enter them.
var compares = []string{"login.codeOf", "login.code", "login.retry", "login.level", "login.logSilent"}

// function is an exported function or method.
type function struct {
	name   string
	doc    string
	object *types.Func
	decl   *ast.FuncDecl
}

func (f *function) canFail() bool {
	results := f.object.Signature().Results()
	if results.Len() == 0 || f.name == "Unwrap" || strings.HasSuffix(f.name, ".Unwrap") {
		return false
	}
	last := results.At(results.Len() - 1).Type()
	return types.Implements(last, types.Universe.Lookup("error").Type().Underlying().(*types.Interface))
}

// isCheck reports whether a Protection calls the function to check a token.
func (f *function) isCheck() bool {
	return strings.HasSuffix(f.name, ".VerifyToken") || strings.HasSuffix(f.name, ".CheckRevocation")
}

// loadedPackage is a package with types and its calls.
type loadedPackage struct {
	path    string
	types   *types.Package
	info    *types.Info
	files   []*ast.File
	codesOf func(*loadedPackage, ast.Node) []string
	typed   bool                          // it has no codes: its errors are compared by type
	calls   map[*types.Func][]*types.Func // within the package
	own     map[*types.Func][]string      // the codes in the body itself
	codes   map[string]bool               // all of them
}

func (p *loadedPackage) exported() (all []*function) {
	for _, file := range p.files {
		for _, d := range file.Decls {
			fn, ok := d.(*ast.FuncDecl)
			if !ok || !fn.Name.IsExported() || fn.Recv != nil && !isExportedType(fn.Recv.List[0].Type) {
				continue
			}
			name := fn.Name.Name
			if fn.Recv != nil {
				name = types.ExprString(fn.Recv.List[0].Type) + "." + name
			}
			all = append(all, &function{strings.TrimPrefix(name, "*"), fn.Doc.Text(), p.info.Defs[fn.Name].(*types.Func), fn})
		}
	}
	return all
}

// index finds the calls and the codes of each function. A call of an interface's method counts as a
// call of the methods of all types of the package that implement it.
func (p *loadedPackage) index() {
	p.calls, p.own, p.codes = map[*types.Func][]*types.Func{}, map[*types.Func][]string{}, map[string]bool{}
	for _, file := range p.files {
		for _, d := range file.Decls {
			fn, ok := d.(*ast.FuncDecl)
			if !ok || fn.Body == nil {
				continue
			}
			from := p.info.Defs[fn.Name].(*types.Func)
			ast.Inspect(fn.Body, func(n ast.Node) bool {
				for _, code := range p.codesOf(p, n) {
					p.own[from], p.codes[code] = append(p.own[from], code), true
				}
				if lit, ok := n.(*ast.CompositeLit); ok {
					p.calls[from] = append(p.calls[from], p.handler(lit)...)
				}
				if id, ok := n.(*ast.Ident); ok {
					if to, ok := p.info.Uses[id].(*types.Func); ok && to.Pkg() == p.types {
						p.calls[from] = append(p.calls[from], p.implementations(to.Origin())...)
					}
				}
				return true
			})
		}
	}
}

// handler returns the method ServeHTTP of a value, which net/http calls.
func (p *loadedPackage) handler(lit *ast.CompositeLit) []*types.Func {
	typ := p.info.TypeOf(lit)
	if typ == nil {
		return nil
	}
	method, _, _ := types.LookupFieldOrMethod(types.NewPointer(typ), true, p.types, "ServeHTTP")
	if f, ok := method.(*types.Func); ok && f.Pkg() == p.types {
		return []*types.Func{f}
	}
	return nil
}

func (p *loadedPackage) implementations(f *types.Func) (all []*types.Func) {
	recv := f.Signature().Recv()
	if recv == nil || !types.IsInterface(recv.Type()) {
		return []*types.Func{f}
	}
	iface := recv.Type().Underlying().(*types.Interface)
	for _, name := range p.types.Scope().Names() {
		named, ok := p.types.Scope().Lookup(name).Type().(*types.Named)
		if !ok || types.IsInterface(named) {
			continue
		}
		if pointer := types.NewPointer(named); types.Implements(pointer, iface) {
			method, _, _ := types.LookupFieldOrMethod(pointer, true, p.types, f.Name())
			all = append(all, method.(*types.Func))
		}
	}
	return all
}

// reach returns the codes of a function and of all that it calls.
func (p *loadedPackage) reach(from *types.Func) map[string]bool {
	codes := map[string]bool{}
	for f := range p.walk(from) {
		for _, code := range p.own[f] {
			codes[code] = true
		}
	}
	return codes
}

// maybe returns the codes that depend on a value.
func (p *loadedPackage) maybe(from *types.Func) (all []string) {
	for f := range p.walk(from) {
		for _, to := range p.calls[f] {
			all = append(all, perhaps[to.Name()]...)
		}
	}
	return all
}

// walk returns a function and all that it calls.
func (p *loadedPackage) walk(from *types.Func) map[*types.Func]bool {
	seen := map[*types.Func]bool{}
	for todo := []*types.Func{from}; len(todo) > 0; todo = todo[1:] {
		if f := todo[0]; !seen[f] && !slices.Contains(compares, f.Pkg().Name()+"."+f.Name()) {
			seen[f] = true
			todo = append(todo, p.calls[f]...)
		}
	}
	return seen
}
