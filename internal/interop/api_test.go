package interop

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/countersign/countersign/client"
	"github.com/countersign/countersign/client/auth"
	"github.com/countersign/countersign/rs"
)

// signIn returns the tokens of a login, with access tokens of that kind.
func signIn(t *testing.T, s *server, config client.Config, resource string) *client.Tokens {
	t.Helper()
	c := newClient(t, config)
	request := client.Request{}
	if resource != "" {
		request.Resources = []string{resource}
	}
	l := authorize(t, c, request, false)
	tokens, err := c.Finish(t.Context(), l.pending, l.callback)
	if err != nil {
		t.Fatal(err)
	}
	return tokens
}

// eachKind runs f with every kind of token of every server.
func eachKind(t *testing.T, f func(*testing.T, *server, tokenKind)) {
	t.Helper()
	eachServer(t, func(t *testing.T, s *server) {
		for _, kind := range s.tokens {
			t.Run(kind.name, func(t *testing.T) { f(t, s, kind) })
		}
	})
}

// TestAPIRefuses sends an API tokens of a real server that it must reject, and one that it must
// accept.
func TestAPIRefuses(t *testing.T) { eachKind(t, refuses) }

func refuses(t *testing.T, s *server, kind tokenKind) {
	tokens := signIn(t, s, s.config("basic"), kind.resource)
	good, idToken := tokens.AccessToken, tokens.Extra("id_token").(string)
	api := newAPI(t, kind.verifier(s))
	for _, test := range []struct {
		name, path, token string
		want              []string
	}{
		{"access token", "/photos", good, []string{"200"}},
		{"missing scope", "/uploads", good, []string{"403 insufficient_scope"}},
		{"garbage", "/photos", "garbage", invalid},
		{"garbage in a JWT's form", "/photos", "eyJhbGciOiJSUzI1NiJ9.e30.AAAA", notIntrospected},
		{"changed token", "/photos", changed(good), invalid},
		{"ID token", "/photos", idToken, notIntrospected},
		{"refresh token", "/photos", tokens.RefreshToken, invalid},
	} {
		t.Run(test.name, func(t *testing.T) { checkStatus(t, api+test.path, test.token, test.want) })
	}
}

var invalid = []string{"401 invalid_token"}

// notIntrospected is for JWTs at an introspection endpoint that does not support them.
// oidc-provider answers with an error, which does not say whether the token is valid.
var notIntrospected = []string{"401 invalid_token", "503"}

// changed is a token with another character in its last part.
func changed(token string) string {
	i := strings.LastIndexByte(token, '.') + 1
	i += (len(token) - i) / 2
	replacement := "A"
	if token[i] == 'A' {
		replacement = "B"
	}
	return token[:i] + replacement + token[i+1:]
}

// TestExpired verifies a valid token after its exp.
func TestExpired(t *testing.T) {
	later := func() time.Time { return time.Now().Add(24 * time.Hour) }
	eachKind(t, func(t *testing.T, s *server, kind tokenKind) {
		token := signIn(t, s, s.config("basic"), kind.resource).AccessToken
		verifier := kind.verifier(s)
		switch v := verifier.(type) {
		case *rs.JWT:
			v.Now = later
		case *rs.Introspection:
			v.Now = later
		case *rs.JWTOrOpaque:
			v.Opaque.(*rs.Introspection).Now = later
		}
		checkStatus(t, newAPI(t, verifier)+"/photos", token, invalid)
	})
}

// TestOtherAudience sends the API a token for another one, or for none.
func TestOtherAudience(t *testing.T) {
	others := map[string]string{"jwt": printerID, "opaque": opaqueID, "opaque-for-api": "", "either": printerID}
	eachKind(t, func(t *testing.T, s *server, kind tokenKind) {
		config, resource := s.config("basic"), others[kind.name]
		if s.claimed {
			config.Scopes, resource = []string{"openid", "printer"}, ""
		}
		token := signIn(t, s, config, resource).AccessToken
		checkStatus(t, newAPI(t, kind.verifier(s))+"/photos", token, invalid)
	})
}

// TestIDTokenAtAPI sends an ID token to an API whose identifier is the app's client ID. iss, aud
// and signature are then right for an access token.
func TestIDTokenAtAPI(t *testing.T) {
	eachServer(t, func(t *testing.T, s *server) {
		verifier := s.tokens[0].verifier(s).(*rs.JWT)
		verifier.Audience, verifier.Algs = "basic", []string{"RS256"}
		idToken := signIn(t, s, s.config("basic"), "").Extra("id_token").(string)
		checkStatus(t, newAPI(t, verifier)+"/photos", idToken, invalid)
	})
}

// TestIntrospectionRefused is an API with a wrong secret. It cannot check a token, even a valid
// one. hydra requires no authentication: its administrators close the address to others.
func TestIntrospectionRefused(t *testing.T) {
	eachServer(t, func(t *testing.T, s *server) {
		if s.name == hydra.name {
			return
		}
		token := signIn(t, s, s.config("basic"), "").AccessToken
		verifier := s.introspection("")
		verifier.Auth = auth.SecretBasic("wrong").For(apiID, s.issuer)
		checkStatus(t, newAPI(t, verifier)+"/photos", token, []string{"503"})
	})
}

// TestRFC9068: at Keycloak it is a client with the attribute for the standard's typ. The client
// ID is still in azp.
func TestRFC9068(t *testing.T) {
	tokenRFC9068.each(t, func(t *testing.T, s *server) {
		kind := s.tokens[0]
		if s.name == keycloak.name {
			kind.verifier = func(s *server) rs.Verifier {
				return &rs.JWT{Issuer: s.issuer, Audience: apiID, Keys: s.provider.Keys(), ClientIDClaim: "azp"}
			}
		}
		walk(t, s, s.config("rfc9068"), kind)
	})
}

// checkStatus sends the API a token and expects one of these responses: the status, with the
// error code of the challenge.
func checkStatus(t *testing.T, address, token string, want []string) {
	t.Helper()
	resp, err := call(t.Context(), address, token)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	got := answered(resp)
	if !slices.Contains(want, got) {
		t.Errorf("the API answers %q, want one of %q", got, want)
	}
	works(t, "the API answers %s", got)
}
