package client_test

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/countersign/countersign/client"
	"github.com/countersign/countersign/internal/optest"
)

// answer returns a token endpoint that sends the same response to every request.
func answer(status int, contentType, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", contentType)
		w.WriteHeader(status)
		fmt.Fprint(w, body)
	}
}

// TestTokenResponse checks the response of the token endpoint. TE-01, TE-02, TE-03, TE-04, TE-05,
// TE-06, TE-11, H24. The client requires no ID token, so that only the fault of the row is
// rejected.
func TestTokenResponse(t *testing.T) {
	const js = "application/json"
	foreign := optest.New(t)
	for _, test := range []struct {
		name string
		h    http.HandlerFunc
		code string // of the error, "" if the server sent none
	}{
		{"HTML", answer(200, "text/html", "<html>"), ""},
		{"JSON that says it is HTML", answer(200, "text/html", `{"access_token":"a","token_type":"Bearer"}`), ""},
		{"a form", answer(200, "application/x-www-form-urlencoded", "access_token=a&token_type=bearer"), ""},
		{"no content type", answer(200, "", `{"access_token":"a","token_type":"Bearer"}`), ""},
		{"empty", answer(200, js, ""), ""},
		{"null", answer(200, js, "null"), ""},
		{"an array", answer(200, js, `[{"access_token":"a","token_type":"Bearer"}]`), ""},
		{"half", answer(200, js, `{"access_token":"a","token_type":"Be`), ""},
		{"two documents", answer(200, js, `{"access_token":"a","token_type":"Bearer"}{}`), ""},
		{"a member twice", answer(200, js, `{"access_token":"a","access_token":"b","token_type":"Bearer"}`), ""},
		{"a member in capitals", answer(200, js, `{"Access_Token":"a","token_type":"Bearer"}`), ""},
		{"deep", answer(200, js, `{"access_token":"a","token_type":"Bearer","x":`+strings.Repeat("[", 100)+strings.Repeat("]", 100)+`}`), ""},
		{"no access token", answer(200, js, `{"token_type":"Bearer"}`), ""},
		{"a numeric access token", answer(200, js, `{"access_token":1,"token_type":"Bearer"}`), ""},
		{"an access token with CR LF", answer(200, js, `{"access_token":"a\r\nX-Evil: 1","token_type":"Bearer"}`), ""},
		{"a refresh token with a tab", answer(200, js, `{"access_token":"a","refresh_token":"b\tc","token_type":"Bearer"}`), ""},
		{"an access token beyond ASCII", answer(200, js, `{"access_token":"ä","token_type":"Bearer"}`), ""},
		{"no token type", answer(200, js, `{"access_token":"a"}`), ""},
		{"token type mac", answer(200, js, `{"access_token":"a","token_type":"mac"}`), ""},
		{"token type DPoP", answer(200, js, `{"access_token":"a","token_type":"DPoP"}`), ""},
		{"expires_in below 0", answer(200, js, `{"access_token":"a","token_type":"Bearer","expires_in":-5}`), ""},
		{"expires_in NaN", answer(200, js, `{"access_token":"a","token_type":"Bearer","expires_in":"NaN"}`), ""},
		{"expires_in beyond any number", answer(200, js, `{"access_token":"a","token_type":"Bearer","expires_in":1e400}`), ""},
		{"expires_in true", answer(200, js, `{"access_token":"a","token_type":"Bearer","expires_in":true}`), ""},
		{"an ID token with CR LF", answer(200, js, `{"access_token":"a","id_token":"x.y.z\r\n","token_type":"Bearer"}`), ""},
		{"a refresh token with CR LF", answer(200, js, `{"access_token":"a","refresh_token":"b\r\nc","token_type":"Bearer"}`), ""},
		{"expires_in as Go writes numbers", answer(200, js, `{"access_token":"a","token_type":"Bearer","expires_in":"0x10p0"}`), ""},
		{"expires_in a space", answer(200, js, `{"access_token":"a","token_type":"Bearer","expires_in":" "}`), ""},
		{"an empty error with status 200", answer(200, js, `{"error":"","access_token":"a","token_type":"Bearer"}`), ""},
		{"an error that is an object", answer(200, js, `{"error":{"code":1},"access_token":"a","token_type":"Bearer"}`), ""},
		{"an error with status 200", answer(200, js, `{"error":"invalid_grant","access_token":"a","token_type":"Bearer"}`), "invalid_grant"},
		{"an error", answer(400, js, `{"error":"invalid_grant","error_description":"used"}`), "invalid_grant"},
		{"an error with status 401", answer(401, js, `{"error":"invalid_client"}`), "invalid_client"},
		{"an error of no alphabet", answer(400, js, `{"error":"a\"b"}`), "invalid_error_code"},
		{"500", answer(500, "text/plain", "Internal Server Error"), ""},
		{"201", answer(201, js, `{"access_token":"a","token_type":"Bearer"}`), ""},
		{"302", redirect(302, foreign.URL), ""},
		{"307", redirect(307, foreign.URL), ""},
		{"308", redirect(308, foreign.URL), ""},
		{"2 MiB", answer(200, js, `{"access_token":"a","token_type":"Bearer","x":"`+strings.Repeat("x", 2<<20)+`"}`), ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := optest.New(t)
			cfg := config(s)
			cfg.Scopes = []string{}
			c := newClient(t, cfg)
			pending, q := begun(t, s, c)
			s.Replace("/token", test.h)
			tokens, err := c.Finish(t.Context(), pending, q)
			var e *client.Error
			if tokens != nil || !errors.As(err, &e) || e.Step != client.StepToken {
				t.Fatalf("got %v, %v", tokens, err)
			}
			var te *client.TokenError
			if test.code != "" && (!errors.As(err, &te) || te.Code != test.code || e.Code != test.code) {
				t.Errorf("got %v", err)
			}
			if s.Hits("/token") != 1 || foreign.Hits("/token") != 0 {
				t.Errorf("%d token requests, %d to another server", s.Hits("/token"), foreign.Hits("/token"))
			}
			noCanary(t, err.Error())
		})
	}
}

// TestTokenResponseMinimal: the response of TestTokenResponse is accepted without a fault. With
// the scope openid it lacks an ID token.
func TestTokenResponseMinimal(t *testing.T) {
	s := optest.New(t)
	cfg := config(s)
	for _, scopes := range [][]string{{}, {"openid"}} {
		cfg.Scopes = scopes
		c := newClient(t, cfg)
		pending, q := begun(t, s, c)
		s.Replace("/token", answer(200, "application/json; charset=utf-8", `{"access_token":"a","token_type":"Bearer"}`))
		tokens, err := c.Finish(t.Context(), pending, q)
		var e *client.Error
		if len(scopes) == 0 && (err != nil || tokens.AccessToken != "a") || len(scopes) > 0 && (!errors.As(err, &e) || e.Step != client.StepIDToken) {
			t.Errorf("scope %q: %v, %v", scopes, tokens, err)
		}
		s.Replace("/token", nil)
	}
}

func redirect(status int, host string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, host+"/token", status) }
}

// TestTokenResponseAccepted: responses that must be accepted. TE-03, TE-04, TE-07, FAPI-04.
func TestTokenResponseAccepted(t *testing.T) {
	for _, test := range []struct {
		name  string
		edit  func(map[string]any)
		check func(*client.Tokens) bool
	}{
		{"token type in any case", func(m map[string]any) { m["token_type"] = "bEARER" }, (*client.Tokens).Valid},
		{"no expires_in", func(m map[string]any) { delete(m, "expires_in") }, func(t *client.Tokens) bool { return t.Expiry.IsZero() }},
		{"expires_in null", func(m map[string]any) { m["expires_in"] = nil }, func(t *client.Tokens) bool { return t.Expiry.IsZero() }},
		{"expires_in in a string", func(m map[string]any) { m["expires_in"] = "3600" }, func(t *client.Tokens) bool { return t.ExpiresIn == 3600 }},
		{"expires_in with a fraction", func(m map[string]any) { m["expires_in"] = 3599.5 }, func(t *client.Tokens) bool { return t.ExpiresIn == 3599 }},
		{"expires_in of a century", func(m map[string]any) { m["expires_in"] = 3155760000 }, func(t *client.Tokens) bool { return t.ExpiresIn == 315360000 }},
		{"expires_in in nanoseconds", func(m map[string]any) { m["expires_in"] = 600000000000 }, func(t *client.Tokens) bool { return t.ExpiresIn == 315360000 }},
		{"error null", func(m map[string]any) { m["error"] = nil }, (*client.Tokens).Valid},
		{"scope null", func(m map[string]any) { m["scope"] = nil }, func(t *client.Tokens) bool { return len(t.Scopes) == 1 }},
		{"scope as asked for", func(map[string]any) {}, func(t *client.Tokens) bool { return len(t.Scopes) == 1 && t.Scopes[0] == "openid" }},
		{"scope narrowed to none", func(m map[string]any) { m["scope"] = "" }, func(t *client.Tokens) bool { return len(t.Scopes) == 0 }},
		{"scopes are parted by spaces alone", func(m map[string]any) { m["scope"] = "a\u00a0b  c" }, func(t *client.Tokens) bool { return len(t.Scopes) == 2 }},
		{"members nobody knows", func(m map[string]any) { m["instance_url"] = "https://x.example" }, func(t *client.Tokens) bool { return t.Extra("instance_url") == "https://x.example" }},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := optest.New(t)
			s.Token = test.edit
			tokens, err := login(t, s, newClient(t, config(s)))
			if err != nil || !test.check(tokens) {
				t.Errorf("%v, %v", tokens, err)
			}
		})
	}
}
