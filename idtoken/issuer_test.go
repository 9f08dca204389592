package idtoken_test

import (
	"encoding/json"
	"testing"

	"github.com/countersign/countersign/discovery"
	"github.com/countersign/countersign/idtoken"
	"github.com/countersign/countersign/internal/optest"
)

// TestIssuerAlias: exactly one other value of iss is accepted.
func TestIssuerAlias(t *testing.T) {
	alias := func(v *idtoken.Verifier) { v.IssuerAlias = "as.example" }
	for _, c := range []case_{
		{name: "the issuer", edit: alias},
		{name: "the alias", claims: m{"iss": "as.example"}, edit: alias},
		{name: "without an alias", claims: m{"iss": "as.example"}, step: 2},
		{name: "another", claims: m{"iss": "as.example/"}, edit: alias, step: 2},
		{name: "none", claims: m{"iss": ""}, step: 2},
	} {
		t.Run(c.name, c.run)
	}
}

// TestTenants: of Entra ID's tenants only the listed ones are accepted.
func TestTenants(t *testing.T) {
	const (
		template = "https://login.example/{tenantid}/v2.0"
		ours     = "11111111-2222-3333-4444-555555555555"
		theirs   = "99999999-2222-3333-4444-555555555555"
	)
	iss := func(tenant string) string { return "https://login.example/" + tenant + "/v2.0" }
	shared, own, foreign := optest.NewKey("shared", "RS256"), optest.NewKey("own", "RS256"), optest.NewKey("foreign", "RS256")
	with := func(k optest.Key, issuer any) m {
		jwk := k.JWK()
		jwk["issuer"] = issuer
		return jwk
	}
	raw, err := json.Marshal(m{"keys": []any{with(shared, template), with(own, iss(ours)), with(foreign, iss(theirs)), key.JWK()}})
	if err != nil {
		t.Fatal(err)
	}
	keys, err := discovery.StaticKeys(raw)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name   string
		claims m
		key    optest.Key
		ok     bool
	}{
		{"ours, by a key of all", m{"iss": iss(ours), "tid": ours}, shared, true},
		{"ours, by a key of its own", m{"iss": iss(ours), "tid": ours}, own, true},
		{"ours, by a key of another tenant", m{"iss": iss(ours), "tid": ours}, foreign, false},
		{"ours, by a key of nobody", m{"iss": iss(ours), "tid": ours}, key, false},
		{"another tenant", m{"iss": iss(theirs), "tid": theirs}, foreign, false},
		{"another tenant with our tid", m{"iss": iss(theirs), "tid": ours}, shared, false},
		{"ours with another tid", m{"iss": iss(ours), "tid": theirs}, shared, false},
		{"ours without tid", m{"iss": iss(ours)}, shared, false},
		{"the template itself", m{"iss": template, "tid": ours}, shared, false},
		{"no tenant", m{"iss": iss(""), "tid": ""}, shared, false},
	} {
		v := verifier(t)
		v.Issuer, v.Tenants, v.Keys = template, []string{ours}, keys
		claims := goodClaims()
		for name, value := range c.claims {
			claims[name] = value
		}
		token, err := v.Verify(t.Context(), c.key.Sign(claims, nil), idtoken.Expected{})
		if (err == nil) != c.ok || c.ok && token.Issuer != iss(ours) {
			t.Errorf("%s: %v, %v", c.name, token, err)
		}
	}
	for name, edit := range map[string]func(*idtoken.Verifier){
		"no tenants":           func(v *idtoken.Verifier) { v.Issuer = template },
		"an empty tenant":      func(v *idtoken.Verifier) { v.Issuer, v.Tenants = template, []string{""} },
		"tenants of no server": func(v *idtoken.Verifier) { v.Tenants = []string{ours} },
	} {
		v := verifier(t)
		edit(v)
		if _, err := v.Verify(t.Context(), key.Sign(goodClaims(), nil), idtoken.Expected{}); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}
