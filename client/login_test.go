package client_test

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/countersign/countersign/client"
	"github.com/countersign/countersign/client/auth"
	"github.com/countersign/countersign/internal/optest"
	"github.com/countersign/countersign/pkce"
)

// config is the configuration of the client that the test server knows.
func config(s *optest.Server) client.Config {
	return client.Config{
		Issuer: s.URL, ClientID: optest.ClientID, Auth: auth.SecretBasic(optest.ClientSecret), RedirectURL: optest.RedirectURL,
	}
}

func newClient(t *testing.T, c client.Config) *client.Client {
	t.Helper()
	out, err := client.New(c)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// login makes a complete login.
func login(t *testing.T, s *optest.Server, c *client.Client) (*client.Tokens, error) {
	t.Helper()
	redirect, pending, err := c.Begin(t.Context(), client.Request{})
	if err != nil {
		t.Fatal(err)
	}
	return c.Finish(t.Context(), pending, s.Visit(t, redirect))
}

func TestLogin(t *testing.T) {
	for _, test := range []struct {
		name string
		edit func(*client.Config)
	}{
		{"client_secret_basic", func(*client.Config) {}},
		{"client_secret_post", func(c *client.Config) { c.Auth = auth.SecretPost(optest.ClientSecret) }},
		{"none", func(c *client.Config) { c.ClientID, c.Auth = optest.PublicID, auth.Public() }},
		{"plain", func(c *client.Config) { c.PKCE = pkce.Plain }},
		{"plain without the method parameter", func(c *client.Config) { c.PKCE = pkce.PlainImplicit }},
		{"PAR off", func(c *client.Config) { c.PAR = client.PAROff }},
		{"PAR required", func(c *client.Config) { c.PAR = client.PARRequired }},
		{"more scopes", func(c *client.Config) { c.Scopes = []string{"openid", "photos.read"} }},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := optest.New(t)
			cfg := config(s)
			test.edit(&cfg)
			s.EditID = func(m map[string]any) { m["aud"] = cfg.ClientID }
			c := newClient(t, cfg)
			tokens, err := login(t, s, c)
			if err != nil {
				t.Fatal(err)
			}
			if tokens.IDToken.Subject != optest.Subject || tokens.Report.Err() != nil || !tokens.Valid() {
				t.Fatalf("tokens %v, report\n%v", tokens, tokens.Report)
			}
			info, err := c.UserInfo(t.Context(), tokens)
			if err != nil || info.Subject != optest.Subject {
				t.Fatalf("userinfo: %v, %v", info, err)
			}
		})
	}
}

// TestRoundTrips counts the requests of two logins: discovery and keys are fetched once.
func TestRoundTrips(t *testing.T) {
	s := optest.New(t)
	c := newClient(t, config(s))
	for range 2 {
		tokens, err := login(t, s, c)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := c.UserInfo(t.Context(), tokens); err != nil {
			t.Fatal(err)
		}
	}
	for path, want := range map[string]int{
		"/.well-known/openid-configuration": 1, "/jwks": 1, "/par": 2, "/authorize": 2, "/token": 2, "/userinfo": 2,
	} {
		if got := s.Hits(path); got != want {
			t.Errorf("%s was asked %d times, want %d", path, got, want)
		}
	}
}

// TestPending encodes a Pending as JSON, as an application does.
func TestPending(t *testing.T) {
	s := optest.New(t)
	c := newClient(t, config(s))
	redirect, pending, err := c.Begin(t.Context(), client.Request{})
	if err != nil {
		t.Fatal(err)
	}
	kept, err := json.Marshal(pending)
	if err != nil {
		t.Fatal(err)
	}
	var back client.Pending
	if err := json.Unmarshal(kept, &back); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Finish(t.Context(), &back, s.Visit(t, redirect)); err != nil {
		t.Fatal(err)
	}
}

// TestAuthorizationRequest looks at the parameters in the browser's address and
// in the pushed request. RP-01, RP-02, RP-03, RP-05, PAR-02.
func TestAuthorizationRequest(t *testing.T) {
	s := optest.New(t)
	cfg := config(s)
	maxAge := 5 * time.Minute
	request := client.Request{
		ACRValues: []string{"gold", "silver"}, MaxAge: &maxAge, Prompt: []string{"login"}, LoginHint: "alice",
		Resources: []string{"https://api.example/", "https://other.example/"}, IDTokenHint: "e.y.J", UILocales: []string{"de-CH", "fr"}, Display: "popup",
		Claims:               m{"id_token": m{"acr": m{"essential": true}}},
		AuthorizationDetails: []m{{"type": "payment", "amount": 7}},
		Extra:                url.Values{"access_type": {"offline"}},
	}
	redirect, pending, err := newClient(t, cfg).Begin(t.Context(), request)
	if err != nil {
		t.Fatal(err)
	}
	front := query(t, redirect)
	if len(front) != 2 || front.Get("client_id") != optest.ClientID || front.Get("request_uri") == "" {
		t.Errorf("in the browser: %v", front)
	}
	want := url.Values{
		"client_id": {optest.ClientID}, "response_type": {"code"}, "redirect_uri": {optest.RedirectURL}, "scope": {"openid"},
		"state": {pending.State}, "nonce": {pending.Nonce}, "acr_values": {"gold silver"}, "max_age": {"300"},
		"code_challenge": {pkce.Verifier(pending.CodeVerifier).Challenge(pkce.S256)}, "code_challenge_method": {"S256"},
		"prompt": {"login"}, "login_hint": {"alice"}, "resource": {"https://api.example/", "https://other.example/"},
		"id_token_hint": {"e.y.J"}, "ui_locales": {"de-CH fr"}, "display": {"popup"}, "claims": {`{"id_token":{"acr":{"essential":true}}}`},
		"authorization_details": {`[{"amount":7,"type":"payment"}]`}, "access_type": {"offline"},
	}
	got := s.Form("/par")
	got.Del("Authorization")
	if got.Encode() != want.Encode() {
		t.Errorf("pushed\n%s\nwant\n%s", got.Encode(), want.Encode())
	}
	if pending.State == pending.Nonce || pending.State == pending.CodeVerifier || len(pending.State) < 43 || len(pending.Nonce) < 43 {
		t.Error("state, nonce and verifier are not three random values")
	}

	cfg.PAR = client.PAROff
	redirect, pending, _ = newClient(t, cfg).Begin(t.Context(), request)
	if strings.Contains(redirect, pending.CodeVerifier) {
		t.Error("the verifier is in the address")
	}
	want.Set("state", pending.State)
	want.Set("nonce", pending.Nonce)
	want.Set("code_challenge", pkce.Verifier(pending.CodeVerifier).Challenge(pkce.S256))
	if got := query(t, redirect); got.Encode() != want.Encode() {
		t.Errorf("in the browser\n%s\nwant\n%s", got.Encode(), want.Encode())
	}
	if strings.Contains(redirect, "+") {
		t.Errorf("a space is written as + in %s", redirect)
	}
}

func query(t *testing.T, address string) url.Values {
	t.Helper()
	u, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	return u.Query()
}

func TestRepeatParameters(t *testing.T) {
	s := optest.New(t)
	cfg := config(s)
	cfg.RepeatParameters = true
	redirect, _, err := newClient(t, cfg).Begin(t.Context(), client.Request{})
	if err != nil {
		t.Fatal(err)
	}
	front := query(t, redirect)
	front.Del("request_uri")
	want := url.Values{"client_id": {"rp"}, "response_type": {"code"}, "scope": {"openid"}, "redirect_uri": {optest.RedirectURL}}
	if front.Encode() != want.Encode() {
		t.Errorf("in the browser: %v", front)
	}
}

// TestPAR: the metadata and the configuration decide. There is no fallback. PAR-04.
func TestPAR(t *testing.T) {
	for _, test := range []struct {
		name     string
		mode     client.PARMode
		endpoint bool
		required bool
		push, ok bool
	}{
		{"auto, offered", client.PARAuto, true, false, true, true},
		{"auto, not offered", client.PARAuto, false, false, false, true},
		{"auto, required without an endpoint", client.PARAuto, false, true, false, false},
		{"required, not offered", client.PARRequired, false, false, false, false},
		{"off, offered", client.PAROff, true, false, false, true},
		{"off, required by the server", client.PAROff, true, true, false, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := optest.New(t)
			s.Edit = func(m map[string]any) {
				m["require_pushed_authorization_requests"] = test.required
				if !test.endpoint {
					delete(m, "pushed_authorization_request_endpoint")
				}
			}
			cfg := config(s)
			cfg.PAR = test.mode
			_, _, err := newClient(t, cfg).Begin(t.Context(), client.Request{})
			if (err == nil) != test.ok || (s.Hits("/par") == 1) != test.push {
				t.Errorf("error %v, pushed %d times", err, s.Hits("/par"))
			}
		})
	}
	t.Run("a public client is told what to change", func(t *testing.T) {
		s := optest.New(t)
		s.Replace("/par", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(401) })
		for told, method := range map[bool]auth.Method{true: auth.Public(), false: auth.SecretBasic(optest.ClientSecret)} {
			cfg := config(s)
			cfg.Auth = method
			_, _, err := newClient(t, cfg).Begin(t.Context(), client.Request{})
			if err == nil || strings.Contains(err.Error(), "PAROff") != told {
				t.Errorf("%s: %v", method.Name(), err)
			}
		}
	})
	t.Run("a failed push is the end", func(t *testing.T) {
		s := optest.New(t)
		s.Replace("/par", func(w http.ResponseWriter, _ *http.Request) {
			optest.JSON(w, 400, map[string]string{"error": "invalid_request", "error_description": "no"})
		})
		redirect, pending, err := newClient(t, config(s)).Begin(t.Context(), client.Request{})
		var e *client.Error
		if !errors.As(err, &e) || e.Step != client.StepPush || e.Code != "invalid_request" || redirect != "" || pending != nil {
			t.Errorf("got %q, %v, %v", redirect, pending, err)
		}
	})
}

// TestExchange: the backend of an app that began the login itself.
func TestExchange(t *testing.T) {
	s := optest.New(t)
	cfg := config(s)
	cfg.RedirectURL = "com.example.app://callback"
	c := newClient(t, cfg)
	verifier := pkce.New()
	first := url.Values{
		"client_id": {optest.ClientID}, "response_type": {"code"}, "redirect_uri": {cfg.RedirectURL}, "scope": {"openid"},
		"code_challenge": {verifier.Challenge(pkce.S256)}, "code_challenge_method": {"S256"}, "state": {"of the app"},
	}
	code := s.Visit(t, s.URL+"/authorize?"+first.Encode()).Get("code")
	if _, err := c.Exchange(t.Context(), code, pkce.New()); err == nil {
		t.Error("another verifier was taken")
	}
	code = s.Visit(t, s.URL+"/authorize?"+first.Encode()).Get("code")
	tokens, err := c.Exchange(t.Context(), code, verifier)
	if err != nil || tokens.IDToken.Subject != optest.Subject {
		t.Fatalf("%v, %v", tokens, err)
	}
	if _, err := c.Exchange(t.Context(), code, "short"); err == nil {
		t.Error("a verifier that is none was taken")
	}
}

func TestRefresh(t *testing.T) {
	s := optest.New(t)
	c := newClient(t, config(s))
	tokens, err := login(t, s, c)
	if err != nil {
		t.Fatal(err)
	}
	newer, err := c.Refresh(t.Context(), tokens)
	if err != nil || newer.IDToken == tokens.IDToken || newer.RefreshToken == "" {
		t.Fatalf("%v, %v", newer, err)
	}

	t.Run("another user's ID token", func(t *testing.T) {
		s.EditID = func(m map[string]any) { m["sub"] = "mallory" }
		defer func() { s.EditID = nil }()
		if got, err := c.Refresh(t.Context(), tokens); err == nil {
			t.Errorf("accepted: %v", got)
		}
	})
	t.Run("no ID token and no new refresh token", func(t *testing.T) {
		s.Token = func(m map[string]any) { delete(m, "id_token"); delete(m, "refresh_token") }
		defer func() { s.Token = nil }()
		got, err := c.Refresh(t.Context(), tokens)
		if err != nil || got.IDToken != tokens.IDToken || got.RefreshToken != tokens.RefreshToken {
			t.Errorf("%v, %v", got, err)
		}
	})
	t.Run("nothing to refresh", func(t *testing.T) {
		if _, err := c.Refresh(t.Context(), &client.Tokens{}); err == nil {
			t.Error("accepted")
		}
	})
}

// TestOAuthOnly is a login without openid: no ID token is required, and the result has none.
func TestOAuthOnly(t *testing.T) {
	s := optest.New(t)
	cfg := config(s)
	cfg.Scopes = []string{"write"}
	c := newClient(t, cfg)
	tokens, err := login(t, s, c)
	if err != nil || tokens.IDToken != nil || s.Form("/par").Has("nonce") {
		t.Fatalf("%v, %v", tokens, err)
	}
	if _, err := c.UserInfo(t.Context(), tokens); err == nil {
		t.Error("UserInfo without an ID token to hold it against")
	}
}

// TestServerDown: New succeeds, the first use reports the reason, and later uses succeed.
// DISC-07.
func TestServerDown(t *testing.T) {
	s := optest.New(t)
	s.Replace("/.well-known/openid-configuration", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Retry-After", "1")
		w.WriteHeader(503)
	})
	c := newClient(t, config(s))
	_, _, err := c.Begin(t.Context(), client.Request{})
	var e *client.Error
	if !errors.As(err, &e) || e.Step != client.StepDiscovery || !e.Temporary() || e.Code != "temporarily_unavailable" {
		t.Fatalf("got %v", err)
	}
	s.Replace("/.well-known/openid-configuration", nil)
	for range 3000 { // the server requested a pause of a second
		if _, _, err = c.Begin(context.Background(), client.Request{}); err == nil {
			return
		}
		time.Sleep(20 * time.Millisecond)
	}
	t.Errorf("still down: %v", err)
}
