package issuertest_test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/countersign/countersign/client"
	"github.com/countersign/countersign/client/auth"
	"github.com/countersign/countersign/client/grant"
	"github.com/countersign/countersign/discovery/issuertest"
)

// posted sends a form to an endpoint as the client "web" and returns the JSON response.
func posted(t *testing.T, issuer *issuertest.Issuer, e issuertest.Endpoint, form url.Values) map[string]any {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, issuer.URL+string(e), strings.NewReader(form.Encode()))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.SetBasicAuth(issuertest.ClientID, issuertest.ClientSecret)
	resp, err := issuer.Client().Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	var m map[string]any
	if err := json.NewDecoder(resp.Body).Decode(&m); err != nil {
		t.Fatal(e, resp.Status, err)
	}
	return m
}

// mark adds a member that shows that Edit was called.
func mark(m map[string]any) { m["urn:example:edited"] = true }

func marked(m map[string]any) bool { return m["urn:example:edited"] == true }

func TestEdit(t *testing.T) {
	metadata, registered := false, false
	issuer := issuertest.New(t, issuertest.Config{Edit: issuertest.Edit{
		Metadata: func(map[string]any) { metadata = true }, AccessToken: mark, IDToken: mark, Token: mark, UserInfo: mark,
		Introspection: mark, Registration: func(map[string]any) { registered = true },
		Callback: func(q url.Values) { q.Set("session_state", "edited") },
		Device: func(m map[string]any) {
			m["device_code"], m["user_code"] = "a-device-code", "AAAA-BBBB"
			m["verification_uri_complete"] = m["verification_uri"]
		},
		Backchannel: func(m map[string]any) { m["auth_req_id"] = "a-login" },
	}})
	c := newClient(t, issuer, nil)
	redirect, pending, err := c.Begin(t.Context(), client.Request{})
	if err != nil {
		t.Fatal(err)
	}
	callback := issuer.SignIn(t, redirect)
	tokens, err := c.Finish(t.Context(), pending, callback)
	if err != nil || !metadata || callback.Get("session_state") != "edited" {
		t.Fatalf("callback %v: %v", callback, err)
	}
	var claims map[string]any
	if err := tokens.IDToken.Claims(&claims); err != nil || !marked(claims) {
		t.Errorf("ID token %v, %v", claims, err)
	}
	info, err := c.UserInfo(t.Context(), tokens)
	if err != nil {
		t.Fatal(err)
	}
	claims = nil
	if err := info.Claims(&claims); err != nil || !marked(claims) {
		t.Errorf("UserInfo %v, %v", claims, err)
	}
	if m := posted(t, issuer, issuertest.IntrospectionEndpoint, url.Values{"token": {tokens.AccessToken}}); !marked(m) {
		t.Errorf("introspection %v", m)
	}
	if m := posted(t, issuer, issuertest.TokenEndpoint, url.Values{"grant_type": {"client_credentials"}}); !marked(m) || !marked(payload(t, m["access_token"].(string))) {
		t.Errorf("token response %v", m)
	}
	resp, err := issuer.Client().Post(issuer.URL+string(issuertest.RegistrationEndpoint), "application/json", bytes.NewReader([]byte(`{}`)))
	if err != nil || !registered {
		t.Errorf("registration: %v", err)
	}
	resp.Body.Close()
	device, err := grant.BeginDevice(t.Context(), c, client.TokenRequest{Scopes: []string{"openid"}})
	if err != nil || device.UserCode != "AAAA-BBBB" {
		t.Fatalf("device: %v", err)
	}
	if err := issuer.Approve("AAAA-BBBB", ""); err != nil {
		t.Error(err)
	}
	if m := posted(t, issuer, issuertest.TokenEndpoint, url.Values{"grant_type": {"urn:ietf:params:oauth:grant-type:device_code"}, "device_code": {"a-device-code"}}); m["access_token"] == nil {
		t.Errorf("device code: %v", m)
	}
	posted(t, issuer, issuertest.BackchannelEndpoint, url.Values{"login_hint": {"alice"}, "scope": {"openid"}})
	if m := posted(t, issuer, issuertest.TokenEndpoint, url.Values{"grant_type": {"urn:openid:params:grant-type:ciba"}, "auth_req_id": {"a-login"}}); m["access_token"] == nil {
		t.Errorf("auth_req_id: %v", m)
	}
}

func payload(t *testing.T, jwt string) map[string]any {
	t.Helper()
	raw, err := base64.RawURLEncoding.DecodeString(strings.Split(jwt, ".")[1])
	if err != nil {
		t.Fatal(err)
	}
	var m map[string]any
	if err := json.Unmarshal(raw, &m); err != nil {
		t.Fatal(err)
	}
	return m
}

func TestExtensionGrant(t *testing.T) {
	const name = "urn:example:grant"
	issuer := issuertest.New(t, issuertest.Config{Grants: map[string]issuertest.GrantType{
		name: func(form url.Values) (issuertest.Granted, error) {
			if form.Get("ticket") != "good" {
				return issuertest.Granted{}, errors.New("the ticket is not good")
			}
			return issuertest.Granted{
				Subject: form.Get("who"), Scopes: []string{"openid"}, Renewable: form.Has("renewable"),
				Response: map[string]any{"issued_token_type": "urn:example:type", "expires_in": nil},
			}, nil
		},
	}})
	ask := func(form url.Values) map[string]any {
		form.Set("grant_type", name)
		return posted(t, issuer, issuertest.TokenEndpoint, form)
	}
	m := ask(url.Values{"ticket": {"good"}, "who": {"alice"}, "renewable": {"1"}})
	if m["id_token"] == nil || m["refresh_token"] == nil || m["issued_token_type"] != "urn:example:type" || m["expires_in"] != nil {
		t.Errorf("a user: %v", m)
	}
	if got := payload(t, m["access_token"].(string))["sub"]; got != "alice" {
		t.Errorf("sub %v", got)
	}
	m = ask(url.Values{"ticket": {"good"}})
	if m["id_token"] != nil || m["refresh_token"] != nil || payload(t, m["access_token"].(string))["sub"] != issuertest.ClientID {
		t.Errorf("the client: %v", m)
	}
	if m := ask(url.Values{"ticket": {"bad"}}); m["error"] != "invalid_grant" || m["access_token"] != nil {
		t.Errorf("an error: %v", m)
	}
	if m := ask(url.Values{"ticket": {"good"}, "who": {"nobody"}}); m["error"] != "invalid_grant" || m["access_token"] != nil {
		t.Errorf("no such user: %v", m)
	}
}

func TestSecretPrefix(t *testing.T) {
	issuer := issuertest.New(t, issuertest.Config{SecretPrefix: "canary-", AccessTokens: issuertest.Opaque})
	c := newClient(t, issuer, nil)
	redirect, pending, err := c.Begin(t.Context(), client.Request{})
	if err != nil {
		t.Fatal(err)
	}
	callback := issuer.SignIn(t, redirect)
	tokens, err := c.Finish(t.Context(), pending, callback)
	if err != nil {
		t.Fatal(err)
	}
	for name, value := range map[string]string{"code": callback.Get("code"), "access": tokens.AccessToken, "refresh": tokens.RefreshToken} {
		if !strings.HasPrefix(value, "canary-") {
			t.Errorf("%s token without the prefix", name)
		}
	}
}

func TestKeepRefreshTokens(t *testing.T) {
	issuer := issuertest.New(t, issuertest.Config{Clients: []issuertest.Client{
		{ID: issuertest.ClientID, Secret: issuertest.ClientSecret, KeepRefreshTokens: true},
	}})
	c := newClient(t, issuer, nil)
	first := mustLogin(t, issuer, c)
	for range 2 {
		next, err := c.Refresh(t.Context(), first)
		if err != nil || next.RefreshToken != first.RefreshToken || next.AccessToken == first.AccessToken {
			t.Fatalf("refresh: %v", err)
		}
	}
}

func TestAccessTokenValue(t *testing.T) {
	issuer := issuertest.New(t, issuertest.Config{})
	ordered := issuertest.AccessToken{Value: "canary-known", Scopes: []string{"photos.read"}}
	if got := issuer.AccessToken(ordered); got != "canary-known" {
		t.Error("another token")
	}
	if m := posted(t, issuer, issuertest.IntrospectionEndpoint, url.Values{"token": {"canary-known"}}); m["active"] != true || m["scope"] != "photos.read" {
		t.Errorf("introspection %v", m)
	}
	if text := fmt.Sprintf("%v %+v %#v", ordered, ordered, ordered); strings.Contains(text, "canary") {
		t.Error("the value is printed")
	}
}

func TestRegister(t *testing.T) {
	issuer := issuertest.New(t, issuertest.Config{})
	other := func(c *client.Config) { c.ClientID, c.Auth = "other", auth.Secret("other-secret") }
	if _, err := tryLogin(t, issuer, newClient(t, issuer, other)); err == nil {
		t.Error("an unknown client signs in")
	}
	issuer.Register(issuertest.Client{ID: "other", Secret: "other-secret"})
	mustLogin(t, issuer, newClient(t, issuer, other))
	issuer.Register(issuertest.Client{ID: "other", Secret: "changed"})
	if _, err := tryLogin(t, issuer, newClient(t, issuer, other)); err == nil {
		t.Error("the former secret is accepted")
	}
	if n := len(issuer.Clients()); n != 2 {
		t.Errorf("%d clients", n)
	}
}

func TestMaxExchanges(t *testing.T) {
	for _, most := range []int{1, 20} {
		issuer := issuertest.New(t, issuertest.Config{MaxExchanges: most})
		for range 30 {
			posted(t, issuer, issuertest.IntrospectionEndpoint, url.Values{"token": {"x"}})
		}
		if n := len(issuer.Exchanges("")); n == 0 || n > most {
			t.Errorf("%d exchanges, want at most %d", n, most)
		}
	}
}

// TestCodeLifetime: RFC 6749 §4.1.2 recommends ten minutes at most.
func TestCodeLifetime(t *testing.T) {
	for wait, ok := range map[time.Duration]bool{9 * time.Minute: true, 10 * time.Minute: false} {
		issuer := issuertest.New(t, issuertest.Config{})
		c := newClient(t, issuer, nil)
		redirect, pending, err := c.Begin(t.Context(), client.Request{})
		if err != nil {
			t.Fatal(err)
		}
		callback := issuer.SignIn(t, redirect)
		issuer.Advance(wait)
		if _, err := c.Finish(t.Context(), pending, callback); (err == nil) != ok {
			t.Errorf("after %v: %v", wait, err)
		}
	}
}
