package internal_test

import (
	"go/constant"
	"go/types"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// TestPageFacts: where a page lists names of a package, the list is complete and each name exists.
func TestPageFacts(t *testing.T) {
	packages := map[string]*loadedPackage{}
	for _, p := range loadPackages(t, "..") {
		packages[strings.TrimPrefix(p.path, module+"/")] = p
	}
	for _, test := range []struct {
		what, page, from, to string
		want                 []string
	}{
		{"codes of login", "add-sign-in.md", "| code | status |", "\n\n", packages["client/login"].stringsWith(`^Code[A-Z]`)},
		{"presets for access tokens", "protect-an-api.md", "There are presets for", "An API with", packages["rs"].returning("*rs.JWT")},
		{"presets for ID tokens", "protect-an-api.md", "has no scopes. `", "are its presets", packages["rs"].returning("*rs.IDToken")},
		{"answers of an API", "protect-an-api.md", "| the request | the response |", "\n\n", packages["rs"].stringsWith(`^(Invalid|Insufficient|UseDPoP)`)},
		{"methods of authentication", "sign-in.md", "| the client has |", "\n\n", methodsOf(packages["client/auth"])},
		{"event types", "end-access-immediately.md", "| event | what ends |", "| any other |", packages["rs/ssf"].eventTypes()},
	} {
		page := read(t, "../docs/"+test.page)
		_, rest, found := strings.Cut(page, test.from)
		list, _, end := strings.Cut(rest, test.to)
		if !found || !end || len(test.want) == 0 {
			t.Errorf("%s: the list of the %s was not found", test.page, test.what)
			continue
		}
		for _, name := range test.want {
			if !names(list, name) {
				t.Errorf("%s: the list of the %s lacks %s", test.page, test.what, name)
			}
		}
	}
}

// TestPageNames: each name of a package on a page, such as `rs.JWT` or `tokens.FileStore`, exists.
func TestPageNames(t *testing.T) {
	packages := map[string]*types.Package{}
	for _, p := range documentedPackages(t) {
		packages[p.types.Name()] = p.types
	}
	checked := 0
	for _, path := range allPages(t) {
		for _, code := range inlineName.FindAllStringSubmatch(read(t, path), -1) {
			p, name, member := packages[code[1]], code[2], code[3]
			if p == nil || strings.HasSuffix(path, "migrate.md") && code[1] == "rs" { // of zitadel/oidc
				continue
			}
			checked++
			if !hasName(p, name, member) {
				t.Errorf("%s: %s.%s%s does not exist", path, code[1], name, strings.TrimSuffix("."+member, "."))
			}
		}
	}
	if checked < 100 {
		t.Errorf("only %d names were found", checked)
	}
}

// inlineName finds names of packages in the text of a page.
var inlineName = regexp.MustCompile("`[*&]?([a-z]+)\\.([A-Z]\\w*)(?:\\.([A-Z]\\w*))?")

// stringsWith returns the values of the string constants whose names match.
func (p *loadedPackage) stringsWith(name string) (all []string) {
	for _, n := range p.types.Scope().Names() {
		if c, ok := p.types.Scope().Lookup(n).(*types.Const); ok && regexp.MustCompile(name).MatchString(n) && c.Val().Kind() == constant.String {
			all = append(all, constant.StringVal(c.Val()))
		}
	}
	return all
}

// returning returns the functions with one result of a type.
func (p *loadedPackage) returning(typ string) (all []string) {
	for _, f := range p.exported() {
		results := f.object.Signature().Results()
		short := func(other *types.Package) string { return other.Name() }
		if f.decl.Recv == nil && results.Len() == 1 && types.TypeString(results.At(0).Type(), short) == typ {
			all = append(all, f.name)
		}
	}
	return all
}

// methodsOf returns the methods of authentication that the table of sign-in.md has. Those of
// platforms are on another page, and AppleSecret is part of the preset for Apple.
func methodsOf(p *loadedPackage) []string {
	return slices.DeleteFunc(p.returning("auth.Method"), func(name string) bool {
		return name == "FederatedFunc" || name == "SPIFFE" || name == "AppleSecret"
	})
}

// eventTypes returns the last part of the event types of CAEP and RISC that end access.
func (p *loadedPackage) eventTypes() (all []string) {
	for _, value := range p.stringsWith(`^(Session|Sessions|Credential|TokenClaims|Assurance|Device|Account[DP])`) {
		all = append(all, value[strings.LastIndex(value, "/")+1:])
	}
	return all
}
