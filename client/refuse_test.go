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
	"github.com/countersign/countersign/client/auth"
	"github.com/countersign/countersign/internal/endpoint"
	"github.com/countersign/countersign/internal/optest"
)

// begun is a login before its callback.
func begun(t *testing.T, s *optest.Server, c *client.Client) (*client.Pending, url.Values) {
	t.Helper()
	redirect, pending, err := c.Begin(t.Context(), client.Request{})
	if err != nil {
		t.Fatal(err)
	}
	return pending, s.Visit(t, redirect)
}

// TestCallback: a callback that does not answer this login is rejected before any token request.
// RP-20, RP-22, RP-24, RP-25, RP-26.
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

// TestCallbackIss: if the server does not announce iss, a response without iss is accepted, and a
// wrong iss is rejected. RP-22.
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

// TestCallbackError: the server's error in the callback has a type. Its text is cleaned and
// shortened. RP-26, TE-11.
func TestCallbackError(t *testing.T) {
	s := optest.New(t)
	c := newClient(t, config(s))
	for _, test := range []struct {
		code, description, wantCode, wantDescription string
	}{
		{"access_denied", "the visitor said no", "access_denied", "the visitor said no"},
		{"interaction_required", "", "interaction_required", ""},
		{"<script>\"", "a\r\nSet-Cookie: x\x1b[31m\u202e\"", "invalid_error_code", "a??Set-Cookie: x?[31m??"},
		{"e", strings.Repeat("long ", 1000), "e", strings.Repeat("long ", 100)},
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
		if odd := test.code != test.wantCode; strings.Contains(err.Error(), `the server's error code is "`) != odd {
			t.Errorf("the log gets %v", err)
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

// TestTemporarilyUnavailable: the error is Temporary for every way in which a server reports that
// it is unavailable.
func TestTemporarilyUnavailable(t *testing.T) {
	for code, temporary := range map[string]bool{"temporarily_unavailable": true, "server_error": false, "access_denied": false} {
		s := optest.New(t)
		c := newClient(t, config(s))
		pending, q := begun(t, s, c)
		q.Del("code")
		q.Set("error", code)
		_, front := c.Finish(t.Context(), pending, q)
		s.Replace("/token", answer(400, "application/json", `{"error":"`+code+`"}`))
		pending, q = begun(t, s, c)
		_, back := c.Finish(t.Context(), pending, q)
		for _, err := range []error{front, back} {
			var e *client.Error
			if !errors.As(err, &e) || e.Code != code || e.Temporary() != temporary {
				t.Errorf("%s: %v", code, err)
			}
		}
	}
}

// TestFinishOnce: N callbacks at once cause one token request. RP-21.
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

// TestEndless: a token endpoint that never ends its response does not block the caller, and
// leaves no goroutine.
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
	if !errors.As(err, &e) || !e.Temporary() || !errors.Is(err, context.DeadlineExceeded) || time.Since(start) > endpoint.Timeout*9/10 {
		t.Errorf("got %v after %v", err, time.Since(start))
	}
	for range 3000 {
		if runtime.NumGoroutine() <= before+2 {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Errorf("%d goroutines before, %d after", before, runtime.NumGoroutine())
}

// TestIDTokenRefused: any fault of the ID token ends the login.
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

// TestStepUpAnswer: the ID token must have what the request requires. RP-08.
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
	good := client.Config{Issuer: "https://as.example", ClientID: "rp", Auth: auth.Public(), RedirectURL: "https://rp.example/cb"}
	if _, err := client.New(good); err != nil {
		t.Fatal(err)
	}
	for name, edit := range map[string]func(*client.Config){
		"Issuer":      func(c *client.Config) { c.Issuer = "" },
		"ClientID":    func(c *client.Config) { c.ClientID = "" },
		"Auth":        func(c *client.Config) { c.Auth = auth.Method{} },
		"Auth secret": func(c *client.Config) { c.Auth = auth.SecretBasic("") },
		"Auth post":   func(c *client.Config) { c.Auth = auth.SecretPost("") },
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
