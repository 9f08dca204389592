package internal_test

import (
	"go/ast"
	"go/constant"
	"go/types"
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// answers are the error codes that one kind of endpoint sends, and the clauses that define them.
type answers struct {
	clauses []string
	codes   []string
}

// grantless is RFC 6749 §5.2 for endpoints that receive no grant: without invalid_grant and
// unsupported_grant_type.
var grantless = []string{"invalid_request", "invalid_client", "unauthorized_client"}

// endpoints are the endpoints of a server. RFC 9126 §2.3, RFC 8628 §3.2 and RFC 7009 §2.2.1 refer to
// RFC 6749 §5.2. RFC 7662 §2.3 does so only for a client that does not authenticate. RFC 9126 §2.3 also
// refers to RFC 6749 §4.1.2.1. RFC 7592 §2.1 to §2.3 refer to RFC 6750.
var endpoints = map[string]answers{
	"callback": {[]string{"RFC 6749 §4.1.2.1", "OpenID Connect Core §3.1.2.6"}, []string{
		"invalid_request", "unauthorized_client", "access_denied", "unsupported_response_type", "invalid_scope", "server_error", "temporarily_unavailable",
		"interaction_required", "login_required", "account_selection_required", "consent_required",
		"invalid_request_uri", "invalid_request_object", "request_not_supported", "request_uri_not_supported", "registration_not_supported",
	}},
	"token": {[]string{"RFC 6749 §5.2"}, []string{
		"invalid_request", "invalid_client", "invalid_grant", "unauthorized_client", "unsupported_grant_type", "invalid_scope",
	}},
	"push": {[]string{"RFC 9126 §2.3"}, append([]string{
		"access_denied", "unsupported_response_type", "invalid_scope", "server_error", "temporarily_unavailable",
	}, grantless...)},
	"exchange":      {[]string{"RFC 8693 §2.2.2"}, []string{"invalid_request", "invalid_target"}},
	"assertion":     {[]string{"RFC 7523 §3.1"}, []string{"invalid_grant"}},
	"device":        {[]string{"RFC 8628 §3.2"}, append([]string{"invalid_scope"}, grantless...)},
	"device poll":   {[]string{"RFC 8628 §3.5"}, []string{"access_denied", "expired_token"}}, // the two others continue the polling
	"ciba":          {[]string{"CIBA Core §13"}, append([]string{"invalid_scope", "expired_login_hint_token", "unknown_user_id", "missing_user_code", "invalid_user_code", "invalid_binding_message", "access_denied"}, grantless...)},
	"ciba poll":     {[]string{"CIBA Core §11"}, []string{"access_denied", "expired_token"}},
	"revocation":    {[]string{"RFC 7009 §2.2.1"}, append([]string{"unsupported_token_type"}, grantless...)},
	"introspection": {[]string{"RFC 7662 §2.3", "RFC 6749 §5.2"}, grantless},
	"userinfo":      {[]string{"RFC 6750 §3.1"}, []string{"invalid_request", "invalid_token", "insufficient_scope"}},
	"registration":  {[]string{"RFC 7591 §3.2.2"}, []string{"invalid_redirect_uri", "invalid_client_metadata", "invalid_software_statement", "unapproved_software_statement"}},
	"management":    {[]string{"RFC 6750 §3.1"}, []string{"invalid_request", "invalid_token", "insufficient_scope"}},
}

// extensions are codes that an extension adds to several endpoints. A doc comment may name them.
var extensions = []string{"invalid_target", "use_dpop_nonce", "invalid_dpop_proof", "invalid_request_object", "invalid_authorization_details"}

// polling are the codes after which a poll continues (RFC 8628 §3.5, CIBA Core §11).
var polling = []string{"authorization_pending", "slow_down"}

// asks has the functions that send a request to an endpoint or read its response. The walk finds
// every call that reaches them.
var asks = map[string]string{
	"(*client.Client).readCallback":      "callback",
	"(*client.Client).requestToken":      "token",
	"par.Push":                           "push",
	"(*client.Client).askUserInfo":       "userinfo",
	"(*client.Client).Revoke":            "revocation",
	"(*client.Client).Introspect":        "introspection",
	"grant.TokenExchange":                "exchange",
	"grant.JWTBearer":                    "assertion",
	"grant.BeginDevice":                  "device",
	"grant.FinishDevice":                 "device poll",
	"grant.BeginBackchannel":             "ciba",
	"grant.FinishBackchannel":            "ciba poll",
	"(*registration.Registrar).Register": "registration",
	"(*registration.Registrar).Update":   "registration",
	"(*registration.Registrar).manage":   "management",
}

// moduleCodes are the codes that the client packages set themselves.
var moduleCodes = []string{"login_failed", "temporarily_unavailable"}

// unsent are codes, or the codes of endpoints, that the walk finds although a call cannot return
// them, with the reason.
var unsent = map[string]string{
	"client.CheckLogout temporarily_unavailable":      "it sends no request",
	"client.Client.Initiated temporarily_unavailable": "it sends no request",
	"Handler.TokenSource registration":                "open drops the error",
	"Handler.Logout registration":                     "open drops the error",
	"tokens.NewSource login_failed":                   "its store is the memory",
	"tokens.Refresher.Add login_failed":               "every error of a store is temporary",
	"tokens.Refresher.Forget login_failed":            "every error of a store is temporary",
}

// composed are the calls that return whatever another call returns.
var composed = regexp.MustCompile(`^(tokens|loopback|crossapp|mcpauth)\.|^client\.Client\.(FinishAt|RevokeTokens)$`)

// TestServerCodesDocumented: the doc comment of each call that asks an authorization server names the
// codes of its endpoints, by clause, and no other. It also names the codes of this
// module. A call that consists of others may name these instead.
func TestServerCodesDocumented(t *testing.T) {
	g := loadGraph(t)
	checked, codes := 0, 0
	for name, f := range g.exported {
		want, clauses := g.required(f)
		if len(want) == 0 || !f.canFail() || strings.HasPrefix(name, "login.") || strings.HasPrefix(name, "logintest.") {
			continue
		}
		checked++
		codes += len(want)
		got := g.named(name, composed.MatchString(name))
		for _, code := range want {
			if unsent[name+" "+code] == "" && !got[code] {
				t.Errorf("the doc comment of %s does not name %q", name, code)
			}
		}
		for code := range got {
			if !slices.Contains(want, code) && !slices.Contains(extensions, code) && !slices.Contains(polling, code) && code != "invalid_error_code" && !g.follows(name) {
				t.Errorf("the doc comment of %s names %q, which none of its endpoints sends", name, code)
			}
		}
		if g.follows(name) {
			continue
		}
		for _, clause := range clauses {
			if !strings.Contains(onOneLine(f.doc), clause) {
				t.Errorf("the doc comment of %s does not name %s", name, clause)
			}
		}
		if len(clauses) > 0 && !strings.Contains(onOneLine(f.doc), "unchanged") {
			t.Errorf("the doc comment of %s does not say that other codes are unchanged", name)
		}
	}
	if checked < 30 || codes < 150 {
		t.Errorf("only %d calls and %d codes were found", checked, codes)
	}
}

func onOneLine(doc string) string { return strings.Join(strings.Fields(doc), " ") }

// codeGraph is the calls of all client packages, across packages.
type codeGraph struct {
	calls    map[string][]string
	own      map[string][]string  // the codes of this module in a function
	exported map[string]*function // by package.Type.Method
	consts   map[string]string    // exported string constants, by package.Name
}

func loadGraph(t *testing.T) *codeGraph {
	g := &codeGraph{map[string][]string{}, map[string][]string{}, map[string]*function{}, map[string]string{}}
	for _, p := range documentedPackages(t) {
		if !strings.HasPrefix(p.path, module+"/client") && p.path != module+"/par" && p.path != module+"/mcpauth" {
			continue
		}
		for _, f := range p.exported() {
			g.exported[p.types.Name()+"."+f.name] = f
		}
		g.add(p)
	}
	return g
}

func (g *codeGraph) add(p *loadedPackage) {
	for _, name := range p.types.Scope().Names() {
		if c, ok := p.types.Scope().Lookup(name).(*types.Const); ok && c.Val().Kind() == constant.String {
			g.consts[p.types.Name()+"."+name] = constant.StringVal(c.Val())
		}
	}
	for _, file := range p.files {
		for _, d := range file.Decls {
			fn, ok := d.(*ast.FuncDecl)
			if !ok || fn.Body == nil || fn.Name.Name == "Temporary" { // it compares
				continue
			}
			from := short(p.info.Defs[fn.Name].(*types.Func))
			ast.Inspect(fn.Body, func(n ast.Node) bool {
				if e, ok := n.(ast.Expr); ok {
					if v := p.info.Types[e].Value; v != nil && v.Kind() == constant.String && slices.Contains(moduleCodes, constant.StringVal(v)) {
						g.own[from] = append(g.own[from], constant.StringVal(v))
					}
				}
				if id, ok := n.(*ast.Ident); ok {
					if to, ok := p.info.Uses[id].(*types.Func); ok && to.Pkg() != nil && strings.HasPrefix(to.Pkg().Path(), module) {
						g.calls[from] = append(g.calls[from], short(to.Origin()))
					}
				}
				return true
			})
		}
	}
}

// short returns the name of a function with the name of its package instead of the path.
func short(f *types.Func) string {
	return strings.Replace(f.FullName(), f.Pkg().Path(), f.Pkg().Name(), 1)
}

// required returns the codes that a call can return, and the clauses that define them.
func (g *codeGraph) required(f *function) (codes, clauses []string) {
	seen := map[string]bool{}
	for todo := []string{short(f.object)}; len(todo) > 0; todo = todo[1:] {
		name := todo[0]
		if seen[name] {
			continue
		}
		seen[name] = true
		todo = append(todo, g.calls[name]...)
		codes = append(codes, g.own[name]...)
		if e := asks[name]; e != "" && unsent[f.name+" "+e] == "" {
			codes, clauses = append(codes, endpoints[e].codes...), append(clauses, endpoints[e].clauses...)
		}
	}
	slices.Sort(codes)
	return slices.Compact(codes), clauses
}

// aboutErrors finds where a doc comment begins to describe errors.
var aboutErrors = regexp.MustCompile(`(Every|An|The) error|Errors are|It returns the errors|[Cc]odes?`)

// docLink finds the links to calls and constants in a doc comment.
var docLink = regexp.MustCompile(`\[\*?([A-Za-z]+(?:\.[A-Za-z]+)*)\]`)

// named returns the codes that a doc comment names, in quotes or by constants. With follow it adds
// those of the calls to which it links.
func (g *codeGraph) named(name string, follow bool) map[string]bool {
	found := map[string]bool{}
	f := g.exported[name]
	doc := onOneLine(f.doc)
	if at := aboutErrors.FindStringIndex(doc); at != nil {
		doc = doc[at[0]:]
	}
	for _, code := range quotedCode.FindAllStringSubmatch(doc, -1) {
		found[code[1]] = true
	}
	for _, to := range g.links(name) {
		if code, ok := g.consts[to]; ok && strings.Contains(code, "_") && !strings.Contains(code, ":") {
			found[code] = true
		}
		if follow && g.exported[to] != nil && to != name {
			maps.Copy(found, g.named(to, composed.MatchString(to)))
		}
	}
	return found
}

// links returns what a doc comment links to, with the name of the package.
func (g *codeGraph) links(name string) (all []string) {
	pkg, _, _ := strings.Cut(name, ".")
	for _, link := range docLink.FindAllStringSubmatch(g.exported[name].doc, -1) {
		all = append(all, pkg+"."+link[1], link[1])
	}
	return all
}

// follows reports whether the doc comment of a call links to others instead of a list.
func (g *codeGraph) follows(name string) bool {
	return composed.MatchString(name) && slices.ContainsFunc(g.links(name), func(to string) bool { return to != name && g.exported[to] != nil })
}
