package client_test

import (
	"crypto/rand"
	"crypto/rsa"
	"errors"
	"net/url"
	"strings"
	"testing"

	"github.com/countersign/countersign/client"
	"github.com/countersign/countersign/client/tokens"
	"github.com/countersign/countersign/idtoken"
	"github.com/countersign/countersign/internal/jose"
	"github.com/countersign/countersign/internal/optest"
)

const loggedOut = "https://rp.example/bye"

// TestLogoutURL: the browser goes to the server and returns. LO-03.
func TestLogoutURL(t *testing.T) {
	s := optest.New(t)
	s.Edit = func(m map[string]any) { m["end_session_endpoint"] = s.URL + "/logout?tenant=a" }
	cfg := config(s)
	cfg.PostLogoutRedirectURL = loggedOut
	c := newClient(t, cfg)
	redirect, state, err := c.LogoutURL(t.Context(), client.Logout{
		IDTokenHint: "e.y.J", Hint: "alice", UILocales: []string{"de-CH", "fr"}, Extra: url.Values{"federated": {"1"}},
	})
	if err != nil {
		t.Fatal(err)
	}
	want := url.Values{
		"tenant": {"a"}, "id_token_hint": {"e.y.J"}, "client_id": {"rp"}, "post_logout_redirect_uri": {loggedOut}, "state": {state},
		"logout_hint": {"alice"}, "ui_locales": {"de-CH fr"}, "federated": {"1"},
	}
	if got := query(t, redirect); got.Encode() != want.Encode() || !strings.HasPrefix(redirect, s.URL+"/logout?") || strings.Contains(redirect, "+") {
		t.Errorf("got %s", redirect)
	}
	callback := s.Visit(t, redirect)
	if err := client.CheckLogout(state, callback); err != nil {
		t.Error(err)
	}
	_, second, _ := c.LogoutURL(t.Context(), client.Logout{})
	if second == state || len(state) < 43 {
		t.Errorf("states %q and %q", state, second)
	}
}

// TestCheckLogout: a request with the state of the logout is accepted, any other is rejected.
func TestCheckLogout(t *testing.T) {
	for _, test := range []struct {
		state    string
		callback url.Values
		ok       bool
	}{
		{"s", url.Values{"state": {"s"}}, true},
		{"s", url.Values{"state": {"s"}, "more": {"x"}}, true},
		{"s", url.Values{"state": {"t"}}, false},
		{"s", url.Values{"state": {"s", "s"}}, false},
		{"s", url.Values{"state": {""}}, false},
		{"s", url.Values{}, false},
		{"s", nil, false},
		{"", url.Values{"state": {""}}, false},
		{"", nil, false},
	} {
		err := client.CheckLogout(test.state, test.callback)
		var e *client.Error
		if (err == nil) != test.ok || err != nil && (!errors.As(err, &e) || e.Step != client.StepLogout) {
			t.Errorf("%q, %v: %v", test.state, test.callback, err)
		}
	}
}

// TestLogoutWithoutReturn: the browser stays at the server, and there is no state.
func TestLogoutWithoutReturn(t *testing.T) {
	s := optest.New(t)
	redirect, state, err := newClient(t, config(s)).LogoutURL(t.Context(), client.Logout{IDTokenHint: "e.y.J"})
	if err != nil || state != "" || redirect != s.URL+"/logout?client_id=rp&id_token_hint=e.y.J" {
		t.Errorf("%q, %q, %v", redirect, state, err)
	}
}

// TestOwnLogout: the logout endpoints of servers with a proprietary format.
func TestOwnLogout(t *testing.T) {
	for _, test := range []struct {
		name string
		edit func(map[string]any, *optest.Server)
		own  *client.LogoutEndpoint
		want url.Values
	}{
		{"PingFederate", func(m map[string]any, s *optest.Server) {
			delete(m, "end_session_endpoint")
			m["ping_end_session_endpoint"] = s.URL + "/own"
		}, nil, url.Values{"TargetResource": {loggedOut}, "x": {"y"}}},
		{"Cognito", func(m map[string]any, _ *optest.Server) { delete(m, "end_session_endpoint") },
			&client.LogoutEndpoint{URL: "/own", RedirectParameter: "logout_uri"},
			url.Values{"client_id": {"rp"}, "logout_uri": {loggedOut}, "x": {"y"}}},
		{"what is configured counts", func(map[string]any, *optest.Server) {},
			&client.LogoutEndpoint{URL: "/own", RedirectParameter: "returnTo"},
			url.Values{"client_id": {"rp"}, "returnTo": {loggedOut}, "x": {"y"}}},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := optest.New(t)
			s.Edit = func(m map[string]any) { test.edit(m, s) }
			cfg := config(s)
			cfg.PostLogoutRedirectURL = loggedOut
			if test.own != nil {
				cfg.LogoutEndpoint = &client.LogoutEndpoint{URL: s.URL + test.own.URL, RedirectParameter: test.own.RedirectParameter}
			}
			redirect, state, err := newClient(t, cfg).LogoutURL(t.Context(), client.Logout{
				IDTokenHint: "e.y.J", UILocales: []string{"fr"}, Extra: url.Values{"x": {"y"}},
			})
			if err != nil {
				t.Fatal(err)
			}
			if state != "" || !strings.HasPrefix(redirect, s.URL+"/own?") || query(t, redirect).Encode() != test.want.Encode() {
				t.Errorf("%s, state %q", redirect, state)
			}
		})
	}
}

// TestLogoutRefused: the error contains the field, and no request is sent.
func TestLogoutRefused(t *testing.T) {
	s := optest.New(t)
	c := newClient(t, config(s))
	for _, l := range []client.Logout{
		{Extra: url.Values{"post_logout_redirect_uri": {"https://evil.example"}}}, {Extra: url.Values{"state": {"x"}}}, {IDTokenHint: "canary\r\n"},
	} {
		_, _, err := c.LogoutURL(t.Context(), l)
		if err == nil || !strings.Contains(err.Error(), "Logout.") {
			t.Errorf("got %v", err)
			continue
		}
		noCanary(t, err.Error())
	}
	for name, edit := range map[string]func(*client.Config){
		"PostLogoutRedirectURL": func(c *client.Config) { c.PostLogoutRedirectURL = "http://rp.example/bye" },
		"LogoutEndpoint": func(c *client.Config) {
			c.LogoutEndpoint = &client.LogoutEndpoint{URL: "http://as.example", RedirectParameter: "to"}
		},
		"RedirectParameter": func(c *client.Config) { c.LogoutEndpoint = &client.LogoutEndpoint{URL: "https://as.example"} },
	} {
		cfg := config(s)
		edit(&cfg)
		if _, err := client.New(cfg); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestHintIsDecrypted: an encrypted ID token is sent as a hint without its encryption, because
// the server cannot decrypt it. OpenID Connect Core §3.1.2.1.
func TestHintIsDecrypted(t *testing.T) {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	s := optest.New(t)
	var inner string
	s.Token = func(m map[string]any) {
		inner = m["id_token"].(string)
		if m["id_token"], err = jose.Encrypt(inner, "RSA-OAEP-256", "A256GCM", "enc", key.Public()); err != nil {
			t.Error(err)
		}
	}
	cfg := config(s)
	cfg.DecryptionKeys = []idtoken.DecryptionKey{{KeyID: "enc", Key: key}}
	c := newClient(t, cfg)
	issued, err := login(t, s, c)
	if err != nil {
		t.Fatal(err)
	}
	if issued.IDTokenHint != inner || tokens.ToStore(issued).IDToken != inner {
		t.Error("the hint is encrypted")
	}
	if issued, err = c.Refresh(t.Context(), issued); err != nil || issued.IDTokenHint != inner {
		t.Errorf("after a refresh: %v", err)
	}
}
