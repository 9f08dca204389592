package client_test

import (
	"errors"
	"fmt"
	"net/http"
	"testing"

	"github.com/countersign/countersign/client"
	"github.com/countersign/countersign/internal/optest"
)

// TestCodeIsSentOnce: neither a token request nor its code is sent again, whatever the result.
// TE-10.
func TestCodeIsSentOnce(t *testing.T) {
	for name, h := range map[string]http.HandlerFunc{
		"500":             answer(500, "text/plain", "later"),
		"502":             answer(502, "text/html", "<html>"),
		"503, in a while": func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("Retry-After", "0"); w.WriteHeader(503) },
		"429":             answer(429, "application/json", `{"error":"slow_down"}`),
		"a reset":         func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) },
		"a reset after the first byte": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			fmt.Fprint(w, "{")
			w.(http.Flusher).Flush()
			panic(http.ErrAbortHandler)
		},
		"half an answer": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "100")
			fmt.Fprint(w, "{")
		},
		"a secret that is new": answer(401, "application/json", `{"error":"invalid_client"}`),
		"a nonce, unasked for": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("DPoP-Nonce", "n")
			optest.JSON(w, 400, m{"error": "use_dpop_nonce"})
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := optest.New(t)
			c := newClient(t, config(s))
			pending, q := begun(t, s, c) // over a connection that the token request reuses
			s.Replace("/token", h)
			for range 2 {
				tokens, err := c.Finish(t.Context(), pending, q)
				var e *client.Error
				if tokens != nil || !errors.As(err, &e) || s.Hits("/token") != 1 {
					t.Fatalf("%v, %v, %d token requests", tokens, err, s.Hits("/token"))
				}
			}
			s.Replace("/token", nil)
			if _, err := login(t, s, c); err != nil {
				t.Errorf("a new login: %v", err)
			}
		})
	}
}

// TestEveryLoginIsPushed: each login has a new request_uri. PAR-03.
func TestEveryLoginIsPushed(t *testing.T) {
	s := optest.New(t)
	c := newClient(t, config(s))
	seen := map[string]bool{}
	for n := 1; n <= 3; n++ {
		redirect, pending, err := c.Begin(t.Context(), client.Request{})
		if err != nil {
			t.Fatal(err)
		}
		uri := query(t, redirect).Get("request_uri")
		if seen[uri] || s.Hits("/par") != n {
			t.Errorf("login %d has the request_uri %s after %d requests", n, uri, s.Hits("/par"))
		}
		seen[uri] = true
		if _, err := c.Finish(t.Context(), pending, s.Visit(t, redirect)); err != nil {
			t.Fatal(err)
		}
	}
	s.Replace("/par", answer(201, "application/json", `{"request_uri":"urn:x","expires_in":0}`))
	if _, _, err := c.Begin(t.Context(), client.Request{}); err == nil {
		t.Error("a request_uri that has ended already was taken")
	}
}

// TestTokenResponseMedia: Content-Type must be JSON, in any case and with any parameters. TE-02,
// H24.
func TestTokenResponseMedia(t *testing.T) {
	for kind, ok := range map[string]bool{
		"application/json": true, "Application/JSON; Charset=UTF-8": true, "application/json;charset=utf-8": true,
		"text/json": false, "application/jwt": false, "application/x-www-form-urlencoded": false, "text/plain": false, "application/json, text/html": false, "": false,
	} {
		s := optest.New(t)
		cfg := config(s)
		cfg.Scopes = []string{}
		c := newClient(t, cfg)
		pending, q := begun(t, s, c)
		s.Replace("/token", answer(200, kind, `{"access_token":"a","token_type":"Bearer"}`))
		if _, err := c.Finish(t.Context(), pending, q); (err == nil) != ok {
			t.Errorf("%q: %v", kind, err)
		}
	}
}

// TestErrorInAnswer: an error with status 200 is an error, whatever else the response contains.
// TE-05, H24.
func TestErrorInAnswer(t *testing.T) {
	for body, code := range map[string]string{
		`{"access_token":"a","token_type":"Bearer","error":"invalid_grant"}`: "invalid_grant",
		`{"error":"invalid_grant","error_description":"x"}`:                  "invalid_grant",
		`{"access_token":"a","token_type":"Bearer","error":""}`:              "login_failed",
		`{"access_token":"a","token_type":"Bearer","error":["x"]}`:           "login_failed",
		`{"access_token":"a","token_type":"Bearer","error":null}`:            "",
		`{"access_token":"a","token_type":"Bearer","Error":"invalid_grant"}`: "", // a member without a meaning
	} {
		s := optest.New(t)
		cfg := config(s)
		cfg.Scopes = []string{}
		c := newClient(t, cfg)
		pending, q := begun(t, s, c)
		s.Replace("/token", answer(200, "application/json", body))
		_, err := c.Finish(t.Context(), pending, q)
		var e *client.Error
		if errors.As(err, &e); (err == nil) != (code == "") || e != nil && e.Code != code {
			t.Errorf("%s: %v", body, err)
		}
	}
}
