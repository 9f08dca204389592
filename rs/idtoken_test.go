package rs_test

import (
	"context"
	"maps"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/countersign/countersign/discovery"
	"github.com/countersign/countersign/internal/badtoken"
	"github.com/countersign/countersign/internal/optest"
	"github.com/countersign/countersign/rs"
)

// TestIDToken: all checks of an ID token except nonce and at_hash, for the ID tokens of Dex that
// kubelogin sends. RS-24.
func TestIDToken(t *testing.T) {
	const issuer = "https://dex.example/dex"
	k := optest.NewKey("k1", "RS256")
	now := time.Now().Unix()
	for _, test := range []struct {
		name           string
		claims, header m
		edit           func(*rs.IDToken)
		ok             bool
	}{
		{name: "with nonce and at_hash", ok: true},
		{name: "without nonce and at_hash", claims: m{"nonce": nil, "at_hash": nil}, ok: true},
		{name: "typ JWT", header: m{"typ": "JWT"}, ok: true},
		{name: "aud a list of one", claims: m{"aud": []string{"kubectl"}}, ok: true},
		{name: "the second client", claims: m{"aud": "web"}, ok: true},
		{name: "azp", claims: m{"azp": "kubectl"}, ok: true},
		{name: "a trusted audience", claims: m{"aud": []string{"kubectl", "project"}, "azp": "kubectl"}, edit: func(v *rs.IDToken) { v.TrustedAudiences = []string{"project"} }, ok: true},
		{name: "an authorized party", claims: m{"azp": "phone"}, edit: func(v *rs.IDToken) { v.AuthorizedParties = []string{"phone"} }, ok: true},
		{name: "an alias", claims: m{"iss": "dex.example"}, edit: func(v *rs.IDToken) { v.IssuerAlias = "dex.example" }, ok: true},
		{name: "a mark", claims: m{"typ": "ID"}, edit: func(v *rs.IDToken) { v.Claims = map[string]string{"typ": "ID"} }, ok: true},
		{name: "informational claims of other types", claims: m{"auth_time": "x", "amr": "pwd", "acr": 1, "sid": 1, "name": 1, "email_verified": "true"}, ok: true},

		{name: "an access token by its typ", header: m{"typ": "at+jwt"}},
		{name: "an access token by its claim", claims: m{"typ": "Bearer"}},
		{name: "an access token by its use", claims: m{"token_use": "access"}},
		{name: "an access token by its name", claims: m{"tokenName": "access_token"}},
		{name: "a refresh token", claims: m{"typ": "Refresh"}},
		{name: "a logout token", claims: m{"events": m{"http://schemas.openid.net/event/backchannel-logout": m{}}}},
		{name: "a logout token by its typ", header: m{"typ": "logout+jwt"}},
		{name: "no mark", edit: func(v *rs.IDToken) { v.Claims = map[string]string{"typ": "ID"} }},
		{name: "another issuer", claims: m{"iss": "https://evil.example"}},
		{name: "no issuer", claims: m{"iss": nil}},
		{name: "an empty issuer, no alias", claims: m{"iss": ""}},
		{name: "another client", claims: m{"aud": "grafana"}},
		{name: "no aud", claims: m{"aud": nil}},
		{name: "an audience that is not trusted", claims: m{"aud": []string{"kubectl", "grafana"}, "azp": "kubectl"}},
		{name: "two audiences, no azp", claims: m{"aud": []string{"kubectl", "web"}}},
		{name: "another azp", claims: m{"azp": "grafana"}},
		{name: "azp a number", claims: m{"azp": 1}},
		{name: "no sub", claims: m{"sub": nil}},
		{name: "sub empty", claims: m{"sub": ""}},
		{name: "sub long", claims: m{"sub": strings.Repeat("a", 256)}},
		{name: "sub not ASCII", claims: m{"sub": "é"}},
		{name: "no exp", claims: m{"exp": nil}},
		{name: "expired", claims: m{"exp": now - 31}},
		{name: "no iat", claims: m{"iat": nil}},
		{name: "iat ahead", claims: m{"iat": now + 60}},
		{name: "iat old", claims: m{"iat": now - 86401}},
		{name: "iat old, as configured", claims: m{"iat": now - 86401}, edit: func(v *rs.IDToken) { v.IssuedWithin = 1<<63 - 1 }, ok: true},
		{name: "not yet", claims: m{"nbf": now + 60}},
		{name: "another algorithm", edit: func(v *rs.IDToken) { v.Algs = []string{"ES256"} }},
		{name: "bound to a key", claims: m{"cnf": m{"jkt": strings.Repeat("A", 43)}}},
		{name: "no clients", edit: func(v *rs.IDToken) { v.ClientIDs = nil }},
		{name: "an empty client", claims: m{"aud": ""}, edit: func(v *rs.IDToken) { v.ClientIDs = []string{""} }},
		{name: "a negative age", edit: func(v *rs.IDToken) { v.IssuedWithin = -1 }},
	} {
		t.Run(test.name, func(t *testing.T) {
			claims := m{
				"iss": issuer, "sub": "CgVhbGljZRIFbG9jYWw", "aud": "kubectl", "exp": now + 3600, "iat": now, "nonce": "n-0S6_WzA2Mj",
				"at_hash": "77QmUPtjPfzWtF2AnpK9RQ", "email": "alice@example.com", "groups": []string{"dev"},
			}
			for name, value := range test.claims {
				claims[name] = value
				if value == nil {
					delete(claims, name)
				}
			}
			v := &rs.IDToken{Issuer: issuer, ClientIDs: []string{"kubectl", "web"}, Keys: static(t, k, nil)}
			if test.edit != nil {
				test.edit(v)
			}
			header := test.header
			if header == nil {
				header = m{"typ": nil}
			}
			p, err := v.VerifyToken(t.Context(), k.Sign(claims, header))
			if (err == nil) != test.ok || test.ok && (p.Subject != claims["sub"] || p.Issuer != issuer || p.ClientID == "" || len(p.Scopes) != 0) {
				t.Errorf("%+v, %v", p, err)
			}
			var groups struct {
				Groups []string `json:"groups"`
			}
			if test.ok && (p.Claims(&groups) != nil || len(groups.Groups) != 1) {
				t.Errorf("the claims are %v", groups)
			}
		})
	}
}

// TestIDTokenGrantsNothing: a guard for a scope rejects an ID token with any claims.
func TestIDTokenGrantsNothing(t *testing.T) {
	k := optest.NewKey("k1", "RS256")
	now := time.Now().Unix()
	p := quiet(&rs.Cache{Tokens: &rs.IDToken{Issuer: "https://as.example", ClientIDs: []string{"rp"}, Keys: static(t, k, nil)}})
	token := k.Sign(m{"iss": "https://as.example", "sub": "alice", "aud": "rp", "iat": now, "exp": now + 60, "scope": "photos.read"}, nil)
	for range 2 {
		if w := through(p, rs.RequireScope("photos.read"), token); w.Code != 403 {
			t.Errorf("%d", w.Code)
		}
		if w := through(p, rs.Require(func(*http.Request, *rs.Principal) error { return nil }), token); w.Code != 200 {
			t.Errorf("%d", w.Code)
		}
	}
}

// TestIDTokenBad checks the list of bad tokens with the verifier.
func TestIDTokenBad(t *testing.T) {
	const issuer = "https://as.example"
	k := optest.NewKey("k1", "RS256")
	now := time.Now().Unix()
	v := &rs.IDToken{Issuer: issuer, ClientIDs: []string{"rp"}, Keys: static(t, k, nil)}
	base := badtoken.Base{Key: k, Header: m{"typ": "JWT"}, Foreign: "http://127.0.0.1:1", Claims: m{"iss": issuer, "sub": "alice", "aud": "rp", "iat": now, "exp": now + 300}}
	badtoken.Run(t, base, true, func(ctx context.Context, raw string) error {
		_, err := v.VerifyToken(ctx, raw)
		return err
	})
}

// TestTokenHeader: with TokenHeader the token is read only from that header. RS-24.
func TestTokenHeader(t *testing.T) {
	s := optest.New(t)
	good := s.AccessToken(nil, nil)
	p := quiet(jwtVerifier(s))
	p.TokenHeader = "cf-access-jwt-assertion"
	for name, test := range map[string]struct {
		header http.Header
		status int
	}{
		"good":                  {http.Header{"Cf-Access-Jwt-Assertion": {good}}, 200},
		"in Authorization":      {bearer(good), 401},
		"none":                  {nil, 401},
		"two":                   {http.Header{"Cf-Access-Jwt-Assertion": {good, good}}, 400},
		"empty":                 {http.Header{"Cf-Access-Jwt-Assertion": {""}}, 400},
		"with a scheme":         {http.Header{"Cf-Access-Jwt-Assertion": {"Bearer " + good}}, 401},
		"bad":                   {http.Header{"Cf-Access-Jwt-Assertion": {good + "x"}}, 401},
		"large":                 {http.Header{"Cf-Access-Jwt-Assertion": {strings.Repeat("a", 70_000)}}, 400},
		"beside another header": {http.Header{"Cf-Access-Jwt-Assertion": {good}, "Authorization": {"Basic YTpi"}}, 200},
	} {
		if w := ask(p, test.header, "/"); w.Code != test.status {
			t.Errorf("%s: %d %s", name, w.Code, w.Body)
		}
	}
	q := quiet(introspection(s))
	q.TokenHeader = "X-Token"
	if w := ask(q, http.Header{"X-Token": {"a b"}}, "/"); w.Code != 400 || s.Hits("/introspect") != 0 {
		t.Errorf("what is no token was sent to the server: %d", w.Code)
	}
}

// TestIDTokenNoFetch: a token whose header or claims are wrong causes no request. RS-24.
func TestIDTokenNoFetch(t *testing.T) {
	s := optest.New(t)
	v := &rs.IDToken{Issuer: s.URL, ClientIDs: []string{optest.ClientID}, Keys: (&discovery.Provider{Issuer: s.URL}).Keys()}
	sign := func(claims, header m) string {
		c := s.IDClaims()
		maps.Copy(c, claims)
		return s.Keys[0].Sign(c, header)
	}
	for _, token := range []string{
		sign(m{"iss": "https://evil.example"}, nil), sign(m{"aud": "x"}, nil), sign(nil, m{"alg": "ES256"}), sign(m{"exp": 1}, nil),
		sign(m{"iat": 1}, nil), sign(m{"sub": ""}, nil), sign(m{"azp": "x"}, nil), sign(nil, m{"typ": "at+jwt"}), "x", "a.b.c",
	} {
		if _, err := v.VerifyToken(t.Context(), token); err == nil {
			t.Error("accepted")
		}
	}
	if n := s.Hits("/jwks") + s.Hits("/.well-known/openid-configuration"); n != 0 {
		t.Errorf("%d requests", n)
	}
	if _, err := v.VerifyToken(t.Context(), sign(nil, nil)); err != nil || s.Hits("/jwks") != 1 {
		t.Errorf("a good token: %v", err)
	}
}

// TestIDTokenAlgsNamedOnce: the error of Algs names the setting, and names it once.
func TestIDTokenAlgsNamedOnce(t *testing.T) {
	v := &rs.IDToken{Issuer: "https://as.example", ClientIDs: []string{"app"}, Keys: (&discovery.Provider{Issuer: "https://as.example"}).Keys(), Algs: []string{"none"}}
	if err := v.Ready(t.Context()); err == nil || strings.Count(err.Error(), "IDToken.Algs") != 1 {
		t.Error(err)
	}
}
