package rs_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/countersign/countersign/internal/optest"
	"github.com/countersign/countersign/rs"
)

// TestJWT: RFC 9068 §2.2, §4. RS-04, RS-05, RS-07.
func TestJWT(t *testing.T) {
	s := optest.New(t)
	now := time.Now().Unix()
	other := optest.New(t)
	for _, test := range []struct {
		name           string
		claims, header m
		edit           func(*rs.JWT)
		ok             bool
	}{
		{name: "good", ok: true},
		{name: "application/at+jwt", header: m{"typ": "application/AT+jwt"}, ok: true},
		{name: "aud a string", claims: m{"aud": optest.Audience}, ok: true},
		{name: "aud of several", claims: m{"aud": []string{"x", optest.Audience}}, ok: true},
		{name: "without scope", claims: m{"scope": nil}, ok: true},
		{name: "an ID token's typ", header: m{"typ": "JWT"}},
		{name: "no typ", header: m{"typ": nil}},
		{name: "alg none", header: m{"alg": "none"}},
		{name: "an unknown kid", header: m{"kid": "x"}},
		{name: "crit", header: m{"crit": []string{"x"}}},
		{name: "iss of another", claims: m{"iss": other.URL}},
		{name: "iss missing", claims: m{"iss": nil}},
		{name: "aud of another", claims: m{"aud": "https://other.example/"}},
		{name: "aud missing", claims: m{"aud": nil}},
		{name: "aud empty", claims: m{"aud": []string{}}},
		{name: "aud with a slash less", claims: m{"aud": strings.TrimSuffix(optest.Audience, "/")}},
		{name: "sub missing", claims: m{"sub": nil}},
		{name: "sub missing, as Duende has it", claims: m{"sub": nil, "scope": []string{"photos.read"}}, edit: func(j *rs.JWT) { j.InsecureMissingSubject = true }, ok: true},
		{name: "sub and client missing", claims: m{"sub": nil, "client_id": nil}, edit: func(j *rs.JWT) { j.InsecureMissingSubject = true }},
		{name: "client_id missing", claims: m{"client_id": nil}},
		{name: "iat missing", claims: m{"iat": nil}},
		{name: "jti missing", claims: m{"jti": nil}},
		{name: "exp missing", claims: m{"exp": nil}},
		{name: "exp a string", claims: m{"exp": "9999999999"}},
		{name: "expired", claims: m{"exp": now - 31}},
		{name: "expired within the skew", claims: m{"exp": now - 20}, ok: true},
		{name: "from the future", claims: m{"iat": now + 60}},
		{name: "not yet", claims: m{"nbf": now + 60}},
		{name: "nobody knows since when", claims: m{"auth_time": 0}, ok: true},
		{name: "nbf 0", claims: m{"nbf": 0}},
		{name: "exp 0", claims: m{"exp": 0}},
		{name: "bound to a key", claims: m{"cnf": m{"jkt": "x"}}},
		{name: "scope an array", claims: m{"scope": []string{"photos.read"}}, ok: true},
		{name: "scope a number", claims: m{"scope": 1}},
		{name: "scope mixed", claims: m{"scope": []any{"a", 1}}},
		{name: "no issuer configured", claims: m{"iss": ""}, edit: func(j *rs.JWT) { j.Issuer = "" }},
		{name: "no audience configured", claims: m{"aud": ""}, edit: func(j *rs.JWT) { j.Audience = "" }},
		{name: "no keys configured", edit: func(j *rs.JWT) { j.Keys = nil }},
		{name: "none configured", header: m{"alg": "none"}, edit: func(j *rs.JWT) { j.Algs = []string{"none"} }},
		{name: "negative skew", edit: func(j *rs.JWT) { j.Skew = -1 }},

		{name: "no typ, as configured", header: m{"typ": nil}, edit: func(j *rs.JWT) { j.Typ = rs.NoTyp }, ok: true},
		{name: "a typ where none is configured", edit: func(j *rs.JWT) { j.Typ = rs.NoTyp }},
		{name: "JWT, as configured", header: m{"typ": "JWT"}, edit: func(j *rs.JWT) { j.Typ = "JWT" }, ok: true},
		{name: "at+jwt where JWT is configured", edit: func(j *rs.JWT) { j.Typ = "JWT" }},
		{name: "JWT without jti, as configured", header: m{"typ": "JWT"}, claims: m{"jti": nil, "iat": nil, "sub": nil}, edit: func(j *rs.JWT) { j.Typ = "JWT" }, ok: true},
		{name: "JWT of nobody", header: m{"typ": "JWT"}, claims: m{"sub": nil, "client_id": nil}, edit: func(j *rs.JWT) { j.Typ = "JWT" }},
		{name: "an ID token by its nonce", header: m{"typ": "JWT"}, claims: m{"nonce": "n"}, edit: func(j *rs.JWT) { j.Typ = "JWT" }},
		{name: "a nonce, marked as Keycloak did until 25", header: m{"typ": "JWT"}, claims: m{"nonce": "n", "typ": "Bearer"}, edit: func(j *rs.JWT) { j.Typ, j.Claims, j.InsecureNonce = "JWT", map[string]string{"typ": "Bearer"}, true }, ok: true},
		{name: "InsecureNonce without a mark", header: m{"typ": "JWT"}, edit: func(j *rs.JWT) { j.Typ, j.InsecureNonce = "JWT", true }},
		{name: "RS-04: a nonce, marked", header: m{"typ": "JWT"}, claims: m{"nonce": "n", "typ": "Bearer"}, edit: func(j *rs.JWT) { j.Typ, j.Claims = "JWT", map[string]string{"typ": "Bearer"} }},
		{name: "a nonce, marked as an ID token", header: m{"typ": "JWT"}, claims: m{"nonce": "n", "typ": "ID"}, edit: func(j *rs.JWT) { j.Typ, j.Claims, j.InsecureNonce = "JWT", map[string]string{"typ": "Bearer"}, true }},
		{name: "an at_hash, marked all the same", header: m{"typ": "JWT"}, claims: m{"at_hash": "x", "typ": "Bearer"}, edit: func(j *rs.JWT) { j.Typ, j.Claims = "JWT", map[string]string{"typ": "Bearer"} }},
		{name: "an ID token by its at_hash", header: m{"typ": "JWT"}, claims: m{"at_hash": "x"}, edit: func(j *rs.JWT) { j.Typ = "JWT" }},
		{name: "an ID token of a refresh", header: m{"typ": nil}, claims: m{"aud": optest.Audience, "azp": optest.Audience, "scope": nil, "client_id": nil}, edit: func(j *rs.JWT) { j.Typ = rs.NoTyp }},
		{name: "an ID token of a refresh, without azp", header: m{"typ": "JWT"}, claims: m{"scope": nil, "client_id": nil, "jti": nil}, edit: func(j *rs.JWT) { j.Typ = "JWT" }},
		{name: "no client, and a scope", header: m{"typ": "JWT"}, claims: m{"client_id": nil}, edit: func(j *rs.JWT) { j.Typ = "JWT" }, ok: true},
		{name: "a client, and no scope", header: m{"typ": "JWT"}, claims: m{"scope": nil}, edit: func(j *rs.JWT) { j.Typ = "JWT" }, ok: true},
		{name: "a client, no scope, and auth_time", header: m{"typ": "JWT"}, claims: m{"scope": nil, "auth_time": now}, edit: func(j *rs.JWT) { j.Typ = "JWT" }},
		{name: "a client, no scope, and sid", header: m{"typ": "JWT"}, claims: m{"scope": nil, "sid": "s"}, edit: func(j *rs.JWT) { j.Typ = "JWT" }},
		{name: "a client, no scope, and email", header: m{"typ": nil}, claims: m{"scope": nil, "email": "a@example.com"}, edit: func(j *rs.JWT) { j.Typ = rs.NoTyp }},
		{name: "a scope and auth_time", header: m{"typ": "JWT"}, claims: m{"auth_time": now, "sid": "s", "email": "a@example.com"}, edit: func(j *rs.JWT) { j.Typ = "JWT" }, ok: true},
		{name: "auth_time and a mark, no scope", header: m{"typ": "JWT"}, claims: m{"scope": nil, "auth_time": now, "typ": "Bearer"}, edit: func(j *rs.JWT) { j.Typ, j.Claims = "JWT", map[string]string{"typ": "Bearer"} }, ok: true},
		{name: "auth_time by RFC 9068", claims: m{"scope": nil, "auth_time": now, "sid": "s"}, ok: true},
		{name: "a token for its client, with a scope", header: m{"typ": nil}, claims: m{"azp": optest.Audience}, edit: func(j *rs.JWT) { j.Typ = rs.NoTyp }, ok: true},
		{name: "a token without scope for an API", header: m{"typ": nil}, claims: m{"azp": "rp", "scope": nil}, edit: func(j *rs.JWT) { j.Typ = rs.NoTyp }, ok: true},
		{name: "a token for its client, marked", header: m{"typ": nil}, claims: m{"azp": optest.Audience, "scope": nil, "token_use": "access"}, edit: func(j *rs.JWT) { j.Typ, j.Claims = rs.NoTyp, map[string]string{"token_use": "access"} }, ok: true},
		{name: "azp a number", claims: m{"azp": 1}},
		{name: "a refresh token by its token_class", header: m{"typ": nil}, claims: m{"token_class": "refresh_token"}, edit: func(j *rs.JWT) { j.Typ = rs.NoTyp }},
		{name: "an access token by its token_class", header: m{"typ": nil}, claims: m{"token_class": "access_token"}, edit: func(j *rs.JWT) { j.Typ = rs.NoTyp }, ok: true},
		{name: "a refresh token by its typ", header: m{"typ": "JWT"}, claims: m{"typ": "Offline"}, edit: func(j *rs.JWT) { j.Typ = "JWT" }},
		{name: "an ID token by its token_use", header: m{"typ": nil}, claims: m{"token_use": "id"}, edit: func(j *rs.JWT) { j.Typ = rs.NoTyp }},
		{name: "a refresh token by its tokenName", header: m{"typ": nil}, claims: m{"tokenName": "refresh_token"}, edit: func(j *rs.JWT) { j.Typ = rs.NoTyp }},
		{name: "a kind that is a number", header: m{"typ": nil}, claims: m{"token_use": 1}, edit: func(j *rs.JWT) { j.Typ = rs.NoTyp }, ok: true},
		{name: "a logout token by its events", header: m{"typ": "JWT"}, claims: m{"events": m{}}, edit: func(j *rs.JWT) { j.Typ = "JWT" }},
		{name: "a second mark", header: m{"typ": "JWT"}, claims: m{"token_use": "access"}, edit: func(j *rs.JWT) { j.Typ, j.Claims = "JWT", map[string]string{"token_use": "access"} }, ok: true},
		{name: "another second mark", header: m{"typ": "JWT"}, claims: m{"token_use": "id"}, edit: func(j *rs.JWT) { j.Typ, j.Claims = "JWT", map[string]string{"token_use": "access"} }},
		{name: "no second mark", header: m{"typ": "JWT"}, edit: func(j *rs.JWT) { j.Typ, j.Claims = "JWT", map[string]string{"token_use": "access"} }},
	} {
		t.Run(test.name, func(t *testing.T) {
			j := jwtVerifier(s)
			if test.edit != nil {
				test.edit(j)
			}
			principal, err := j.VerifyToken(t.Context(), s.AccessToken(test.claims, test.header))
			if (err == nil) != test.ok || (principal != nil) != test.ok {
				t.Errorf("got %v, %v", principal, err)
			}
			if err != nil && (strings.Contains(err.Error(), "eyJ") || len(err.Error()) > 1024) {
				t.Errorf("the error is %q", err)
			}
		})
	}
}

// TestDialect: servers with other names for client_id and scope.
func TestDialect(t *testing.T) {
	s := optest.New(t)
	j := jwtVerifier(s)
	j.ClientIDClaim, j.ScopeClaim = "cid", "scp"
	principal, err := j.VerifyToken(t.Context(), s.AccessToken(m{"cid": "app", "scp": []string{"a", "b"}, "client_id": nil, "scope": "not this"}, nil))
	if err != nil || principal.ClientID != "app" || fmt.Sprint(principal.Scopes) != "[a b]" {
		t.Errorf("%+v, %v", principal, err)
	}
	if _, err := j.VerifyToken(t.Context(), s.AccessToken(m{"cid": 1}, nil)); err == nil {
		t.Error("a client ID that is a number was accepted")
	}
	if _, err := j.VerifyToken(t.Context(), s.AccessToken(nil, nil)); err == nil {
		t.Error("no client ID was accepted")
	}
}

// TestNoFetch: a token for another API causes no request. RS-06.
func TestNoFetch(t *testing.T) {
	s := optest.New(t)
	j := jwtVerifier(s)
	for _, token := range []string{
		s.AccessToken(m{"iss": "https://evil.example"}, nil), s.AccessToken(m{"aud": "x"}, nil), s.AccessToken(nil, m{"alg": "ES256"}),
		s.AccessToken(m{"exp": 1}, nil), s.AccessToken(nil, m{"typ": "JWT"}), "x", "a.b.c",
	} {
		if _, err := j.VerifyToken(t.Context(), token); err == nil {
			t.Error("accepted")
		}
	}
	if n := s.Hits("/jwks") + s.Hits("/.well-known/openid-configuration"); n != 0 {
		t.Errorf("%d requests", n)
	}
}
