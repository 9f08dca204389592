package client_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/countersign/countersign/client"
	"github.com/countersign/countersign/internal/optest"
)

// begun is a login whose browser has come back.
func begun(t *testing.T, s *optest.Server, c *client.Client) (*client.Pending, url.Values) {
	t.Helper()
	redirect, pending, err := c.Begin(t.Context(), client.Request{})
	if err != nil {
		t.Fatal(err)
	}
	return pending, s.Visit(t, redirect)
}

// TestCallback refuses every callback that does not answer this login, before
// any token request. RP-20, RP-22, RP-24, RP-25, RP-26.
func TestCallback(t *testing.T) {
	s := optest.New(t)
	c := newClient(t, config(s))
	for _, test := range []struct {
		name string
		edit func(q url.Values, p *client.Pending)
	}{
		{"no state", func(q url.Values, _ *client.Pending) { q.Del("state") }},
		{"empty state", func(q url.Values, _ *client.Pending) { q.Set("state", "") }},
		{"wrong state", func(q url.Values, _ *client.Pending) { q.Set("state", "another") }},
		{"two states", func(q url.Values, _ *client.Pending) { q.Add("state", q.Get("state")) }},
		{"state of a pending without one", func(q url.Values, p *client.Pending) { p.State = ""; q.Set("state", "") }},
		{"no iss", func(q url.Values, _ *client.Pending) { q.Del("iss") }},
		{"wrong iss", func(q url.Values, _ *client.Pending) { q.Set("iss", "https://evil.example") }},
		{"iss with a slash", func(q url.Values, _ *client.Pending) { q.Set("iss", q.Get("iss")+"/") }},
		{"two iss", func(q url.Values, _ *client.Pending) { q.Add("iss", q.Get("iss")) }},
		{"no code", func(q url.Values, _ *client.Pending) { q.Del("code") }},
		{"two codes", func(q url.Values, _ *client.Pending) { q.Add("code", "another") }},
		{"a code with a line break", func(q url.Values, _ *client.Pending) { q.Set("code", "a\r\nb") }},
		{"an endless code", func(q url.Values, _ *client.Pending) { q.Set("code", strings.Repeat("a", 1<<20)) }},
		{"code and error", func(q url.Values, _ *client.Pending) { q.Set("error", "access_denied") }},
		{"two errors", func(q url.Values, _ *client.Pending) { q["error"] = []string{"a", "b"}; q.Del("code") }},
		{"an ID token", func(q url.Values, _ *client.Pending) { q.Set("id_token", "x") }},
		{"an access token", func(q url.Values, _ *client.Pending) { q.Set("access_token", "x") }},
		{"a JARM response", func(q url.Values, _ *client.Pending) { q.Set("response", "x") }},
		{"error without state", func(q url.Values, _ *client.Pending) { q.Del("code"); q.Del("state"); q.Set("error", "access_denied") }},
		{"error of another issuer", func(q url.Values, _ *client.Pending) {
			q.Del("code")
			q.Set("error", "access_denied")
			q.Set("iss", "https://evil.example")
		}},
		{"too late", func(_ url.Values, p *client.Pending) { p.CreatedAt = time.Now().Add(-11 * time.Minute) }},
		{"begun in the future", func(_ url.Values, p *client.Pending) { p.CreatedAt = time.Now().Add(11 * time.Minute) }},
		{"begun at another server", func(_ url.Values, p *client.Pending) { p.Issuer = "https://other.example" }},
		{"begun by another client", func(_ url.Values, p *client.Pending) { p.ClientID = "other" }},
	} {
		t.Run(test.name, func(t *testing.T) {
			before := s.Hits("/token")
			pending, q := begun(t, s, c)
			test.edit(q, pending)
			tokens, err := c.Finish(t.Context(), pending, q)
			var e *client.Error
			if tokens != nil || !errors.As(err, &e) || e.Step != client.StepCallback {
				t.Fatalf("got %v, %v", tokens, err)
			}
			var refused *client.CallbackError
			if s.Hits("/token") != before || errors.As(err, &refused) {
				t.Errorf("taken for an answer of the server, or a token request was sent: %v", err)
			}
		})
	}
	if _, err := c.Finish(t.Context(), nil, url.Values{}); err == nil {
		t.Error("a callback without a login was taken")
	}
}

// TestCallbackIss: a server that does not announce iss may leave it out, but not
// send a wrong one. RP-22.
func TestCallbackIss(t *testing.T) {
	s := optest.New(t)
	s.Edit = func(m map[string]any) { delete(m, "authorization_response_iss_parameter_supported") }
	c := newClient(t, config(s))
	pending, q := begun(t, s, c)
	q.Del("iss")
	q.Set("session_state", "nobody knows it")
	if _, err := c.Finish(t.Context(), pending, q); err != nil {
		t.Error(err)
	}
	pending, q = begun(t, s, c)
	q.Set("iss", "https://evil.example")
	if _, err := c.Finish(t.Context(), pending, q); err == nil {
		t.Error("accepted")
	}
}

// TestCallbackError: what the server says through the browser is typed, cleaned
// and capped. RP-26, TE-11.
func TestCallbackError(t *testing.T) {
	s := optest.New(t)
	c := newClient(t, config(s))
	for _, test := range []struct {
		code, description, wantCode, wantDescription string
	}{
		{"access_denied", "the visitor said no", "access_denied", "the visitor said no"},
		{"interaction_required", "", "interaction_required", ""},
		{"<script>\"", "a\r\nSet-Cookie: x\x1b[31m\u202e\"", "invalid_error_code", "a??Set-Cookie: x?[31m??"},
		{"e", strings.Repeat("long ", 1000), "e", strings.Repeat("long ", 40)},
	} {
		pending, q := begun(t, s, c)
		q.Del("code")
		q.Set("error", test.code)
		q.Set("error_description", test.description)
		_, err := c.Finish(t.Context(), pending, q)
		var e *client.Error
		var callback *client.CallbackError
		if !errors.As(err, &e) || !errors.As(err, &callback) {
			t.Fatalf("got %v", err)
		}
		if callback.Code != test.wantCode || callback.Description != test.wantDescription || e.Code != test.wantCode {
			t.Errorf("got %q, %q", callback.Code, callback.Description)
		}
		q.Del("error")
		q.Set("code", "c")
		if _, err := c.Finish(t.Context(), pending, q); err == nil || s.Hits("/token") != 0 {
			t.Error("a code was taken for a login that had ended")
		}
	}
}

// TestFinishOnce: N callbacks at once lead to one token request. RP-21.
func TestFinishOnce(t *testing.T) {
	s := optest.New(t)
	c := newClient(t, config(s))
	pending, q := begun(t, s, c)
	var mu sync.Mutex
	var won int
	var wg sync.WaitGroup
	for range 20 {
		wg.Go(func() {
			if _, err := c.Finish(context.Background(), pending, q); err == nil {
				mu.Lock()
				won++
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	if won != 1 || s.Hits("/token") != 1 {
		t.Errorf("%d succeeded, with %d token requests", won, s.Hits("/token"))
	}
}

// answer makes a token endpoint that says the same to everybody.
func answer(status int, contentType, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", contentType)
		w.WriteHeader(status)
		fmt.Fprint(w, body)
	}
}

// TestTokenResponse reads the token endpoint's answer strictly. TE-01, TE-02, TE-03, TE-04, TE-05, TE-06, TE-11, H24.
// The client asks for no ID token, so that nothing but the row's fault refuses.
func TestTokenResponse(t *testing.T) {
	const js = "application/json"
	foreign := optest.New(t)
	for _, test := range []struct {
		name string
		h    http.HandlerFunc
		code string // of the error, "" where the server sent none
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
		{"a refresh token with a space", answer(200, js, `{"access_token":"a","refresh_token":"b c","token_type":"Bearer"}`), ""},
		{"an access token beyond ASCII", answer(200, js, `{"access_token":"ä","token_type":"Bearer"}`), ""},
		{"no token type", answer(200, js, `{"access_token":"a"}`), ""},
		{"token type mac", answer(200, js, `{"access_token":"a","token_type":"mac"}`), ""},
		{"token type DPoP", answer(200, js, `{"access_token":"a","token_type":"DPoP"}`), ""},
		{"expires_in below 0", answer(200, js, `{"access_token":"a","token_type":"Bearer","expires_in":-5}`), ""},
		{"expires_in NaN", answer(200, js, `{"access_token":"a","token_type":"Bearer","expires_in":"NaN"}`), ""},
		{"expires_in of a century", answer(200, js, `{"access_token":"a","token_type":"Bearer","expires_in":3155760000}`), ""},
		{"expires_in true", answer(200, js, `{"access_token":"a","token_type":"Bearer","expires_in":true}`), ""},
		{"an ID token with CR LF", answer(200, js, `{"access_token":"a","id_token":"x.y.z\r\n","token_type":"Bearer"}`), ""},
		{"a refresh token with CR LF", answer(200, js, `{"access_token":"a","refresh_token":"b\r\nc","token_type":"Bearer"}`), ""},
		{"expires_in as Go writes numbers", answer(200, js, `{"access_token":"a","token_type":"Bearer","expires_in":"0x10p0"}`), ""},
		{"expires_in an empty string", answer(200, js, `{"access_token":"a","token_type":"Bearer","expires_in":""}`), ""},
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

// TestTokenResponseMinimal: the answer whose faults TestTokenResponse is about is good
// without them; with the scope openid it lacks an ID token.
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

// TestTokenResponseAccepted is what must not be refused. TE-03, TE-04, TE-07, FAPI-04.
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

// TestEndless: a token endpoint that never ends does not hold the caller, and
// leaves no goroutine behind.
func TestEndless(t *testing.T) {
	s := optest.New(t)
	c := newClient(t, config(s))
	pending, q := begun(t, s, c)
	s.Replace("/token", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		for r.Context().Err() == nil {
			fmt.Fprint(w, " ")
			w.(http.Flusher).Flush()
			time.Sleep(10 * time.Millisecond)
		}
	})
	before := runtime.NumGoroutine()
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	start := time.Now()
	_, err := c.Finish(ctx, pending, q)
	var e *client.Error
	if !errors.As(err, &e) || !e.Temporary() || !errors.Is(err, context.DeadlineExceeded) || time.Since(start) > time.Second {
		t.Errorf("got %v after %v", err, time.Since(start))
	}
	for range 100 {
		if runtime.NumGoroutine() <= before+2 {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Errorf("%d goroutines before, %d after", before, runtime.NumGoroutine())
}

// TestIDTokenRefused: whatever is wrong with the ID token ends the login.
func TestIDTokenRefused(t *testing.T) {
	for name, edit := range map[string]func(map[string]any){
		"issuer":   func(m map[string]any) { m["iss"] = "https://evil.example" },
		"audience": func(m map[string]any) { m["aud"] = "another" },
		"expired":  func(m map[string]any) { m["exp"] = time.Now().Add(-time.Hour).Unix() },
		"nonce":    func(m map[string]any) { m["nonce"] = "another" },
		"no nonce": func(m map[string]any) { delete(m, "nonce") },
		"at_hash":  func(m map[string]any) { m["at_hash"] = optest.LeftHalf("RS256", "another") },
	} {
		t.Run(name, func(t *testing.T) {
			s := optest.New(t)
			s.EditID = edit
			tokens, err := login(t, s, newClient(t, config(s)))
			var e *client.Error
			if tokens != nil || !errors.As(err, &e) || e.Step != client.StepIDToken {
				t.Errorf("got %v, %v", tokens, err)
			}
		})
	}
}

// TestStepUpAnswer: what a request asks for, the token must have. RP-08.
func TestStepUpAnswer(t *testing.T) {
	s := optest.New(t)
	c := newClient(t, config(s))
	minute := time.Minute
	for _, test := range []struct {
		name string
		edit func(map[string]any)
		ok   bool
	}{
		{"both", func(m map[string]any) { m["acr"] = "gold"; m["auth_time"] = time.Now().Unix() }, true},
		{"no acr", func(m map[string]any) { m["auth_time"] = time.Now().Unix() }, false},
		{"another acr", func(m map[string]any) { m["acr"] = "tin"; m["auth_time"] = time.Now().Unix() }, false},
		{"no auth_time", func(m map[string]any) { m["acr"] = "gold" }, false},
		{"too long ago", func(m map[string]any) { m["acr"] = "gold"; m["auth_time"] = time.Now().Add(-time.Hour).Unix() }, false},
	} {
		s.EditID = test.edit
		redirect, pending, err := c.Begin(t.Context(), client.Request{ACRValues: []string{"gold"}, MaxAge: &minute})
		if err != nil {
			t.Fatal(err)
		}
		if _, err = c.Finish(t.Context(), pending, s.Visit(t, redirect)); (err == nil) != test.ok {
			t.Errorf("%s: %v", test.name, err)
		}
	}
}

// TestUserInfoRefused. TOK-20.
func TestUserInfoRefused(t *testing.T) {
	s := optest.New(t)
	c := newClient(t, config(s))
	tokens, err := login(t, s, c)
	if err != nil {
		t.Fatal(err)
	}
	for name, h := range map[string]http.HandlerFunc{
		"another sub": answer(200, "application/json", `{"sub":"mallory"}`),
		"no sub":      answer(200, "application/json", `{"email":"alice@example.com"}`),
		"Sub":         answer(200, "application/json", `{"Sub":"alice"}`),
		"two subs":    answer(200, "application/json", `{"sub":"mallory","sub":"alice"}`),
		"HTML":        answer(200, "text/html", `{"sub":"alice"}`),
		"401":         answer(401, "application/json", `{"error":"invalid_token"}`),
		"redirect":    redirect(302, s.URL),
	} {
		s.Replace("/userinfo", h)
		info, err := c.UserInfo(t.Context(), tokens)
		var e *client.Error
		if info != nil || !errors.As(err, &e) || e.Step != client.StepUserInfo {
			t.Errorf("%s: got %v, %v", name, info, err)
		}
	}
}

func TestNew(t *testing.T) {
	good := client.Config{Issuer: "https://as.example", ClientID: "rp", Auth: client.Public(), RedirectURL: "https://rp.example/cb"}
	if _, err := client.New(good); err != nil {
		t.Fatal(err)
	}
	for name, edit := range map[string]func(*client.Config){
		"Issuer":      func(c *client.Config) { c.Issuer = "" },
		"ClientID":    func(c *client.Config) { c.ClientID = "" },
		"Auth":        func(c *client.Config) { c.Auth = client.Auth{} },
		"Auth secret": func(c *client.Config) { c.Auth = client.SecretBasic("") },
		"Auth post":   func(c *client.Config) { c.Auth = client.SecretPost("") },
		"relative":    func(c *client.Config) { c.RedirectURL = "/cb" },
		"http":        func(c *client.Config) { c.RedirectURL = "http://rp.example/cb" },
		"fragment":    func(c *client.Config) { c.RedirectURL = "https://rp.example/cb#x" },
		"Scopes":      func(c *client.Config) { c.Scopes = []string{"openid profile"} },
		"PKCE":        func(c *client.Config) { c.PKCE = 7 },
		"PAR":         func(c *client.Config) { c.PAR = -1 },
		"Skew":        func(c *client.Config) { c.Skew = -time.Second },
		"much Skew":   func(c *client.Config) { c.Skew = time.Hour },
	} {
		c := good
		edit(&c)
		if _, err := client.New(c); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
	_, err := client.New(client.Config{})
	for _, field := range []string{"Issuer", "ClientID", "Auth"} {
		if !strings.Contains(err.Error(), "Config."+field) {
			t.Errorf("%s is not named in %q", field, err)
		}
	}
	c := newClient(t, good)
	if _, _, err := c.Begin(t.Context(), client.Request{Extra: url.Values{"state": {"x"}}}); err == nil {
		t.Error("Extra may hold a parameter of ours")
	}
}
