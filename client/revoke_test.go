package client_test

import (
	"errors"
	"net/http"
	"slices"
	"testing"
	"time"

	"golang.org/x/oauth2"

	"github.com/countersign/countersign/client"
	"github.com/countersign/countersign/client/auth"
	"github.com/countersign/countersign/client/grant"
	"github.com/countersign/countersign/internal/optest"
)

// TestRevoke: RFC 7009 §2.1, §2.2.
func TestRevoke(t *testing.T) {
	for _, test := range []struct {
		name   string
		auth   auth.Method
		answer http.HandlerFunc
		code   string // "" if the token is revoked
		after  time.Duration
	}{
		{name: "revoked", auth: auth.SecretBasic(optest.ClientSecret)},
		{name: "client_secret_post", auth: auth.SecretPost(optest.ClientSecret)},
		{name: "text that means nothing", auth: auth.Public(), answer: answer(200, "text/html", "<p>bye")},
		{name: "an empty object", auth: auth.Public(), answer: answer(200, "application/json", "{}")},
		{name: "another secret", auth: auth.SecretBasic("canary wrong"), code: "invalid_client"},
		{name: "a kind that it does not revoke", auth: auth.Public(), answer: answer(400, "application/json", `{"error":"unsupported_token_type"}`), code: "unsupported_token_type"},
		{name: "an error with status 200, of a token that had ended", auth: auth.Public(), answer: answer(200, "application/json", `{"error":"invalid_token"}`)},
		{name: "another 2xx", auth: auth.Public(), answer: answer(202, "", ""), code: "login_failed"},
		{name: "a redirect", auth: auth.Public(), answer: func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "/jwks", http.StatusTemporaryRedirect)
		}, code: "login_failed"},
		{name: "later", auth: auth.Public(), answer: func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Retry-After", "120")
			w.WriteHeader(503)
		}, code: "temporarily_unavailable", after: 2 * time.Minute},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := optest.New(t)
			cfg := config(s)
			cfg.Auth = test.auth
			if test.answer != nil {
				s.Replace("/revoke", test.answer)
			}
			err := newClient(t, cfg).Revoke(t.Context(), "canary-token", "refresh_token")
			if (err == nil) != (test.code == "") || s.Hits("/revoke") != 1 {
				t.Fatalf("%d requests, %v", s.Hits("/revoke"), err)
			}
			var e *client.Error
			var refused *client.TokenError
			if err != nil && (!errors.As(err, &e) || e.Step != client.StepRevoke || e.Code != test.code || !errors.As(err, &refused) || refused.RetryAfter != test.after) {
				t.Errorf("got %v", err)
			}
			if form := s.Form("/revoke"); test.answer == nil && (form.Get("token") != "canary-token" || form.Get("token_type_hint") != "refresh_token") {
				t.Error("the form is not that of the token")
			}
			if err != nil {
				noCanary(t, err.Error())
			}
		})
	}
}

// TestRevokeSecretChosen: the method list of the revocation endpoint decides how the secret is
// sent.
func TestRevokeSecretChosen(t *testing.T) {
	s := optest.New(t)
	s.Edit = func(m map[string]any) {
		m["token_endpoint_auth_methods_supported"] = []string{"client_secret_basic"}
		m["revocation_endpoint_auth_methods_supported"] = []string{"client_secret_post"}
	}
	cfg := config(s)
	cfg.Auth = auth.Secret(optest.ClientSecret)
	if err := newClient(t, cfg).Revoke(t.Context(), "canary-token", ""); err != nil {
		t.Fatal(err)
	}
	if form := s.Form("/revoke"); !form.Has("client_secret") || form.Has("Authorization") || form.Has("token_type_hint") {
		t.Error("the secret went into the header, or there is a hint that nobody gave")
	}
}

// TestAliases: MTLS-01. A client with a certificate uses the mtls_endpoint_aliases. RFC 8705 §5.
func TestAliases(t *testing.T) {
	s := optest.New(t)
	s.Edit = func(m map[string]any) {
		m["mtls_endpoint_aliases"] = map[string]any{"revocation_endpoint": s.URL + "/mtls/revoke", "introspection_endpoint": s.URL + "/mtls/introspect",
			"device_authorization_endpoint": s.URL + "/mtls/device", "backchannel_authentication_endpoint": s.URL + "/mtls/ciba"}
	}
	s.Replace("/mtls/device", answer(200, "application/json", `{"device_code":"canary-code","user_code":"WDJB-MJHT","verification_uri":"https://as.example/device","expires_in":60}`))
	s.Replace("/mtls/ciba", answer(200, "application/json", `{"auth_req_id":"canary-id","expires_in":60}`))
	s.Replace("/mtls/revoke", answer(200, "", ""))
	s.Replace("/mtls/introspect", answer(200, "application/json", `{"active":false}`))
	cfg := config(s)
	cfg.Auth = auth.TLS()
	cfg.HTTP = &http.Client{Transport: http.DefaultTransport}
	c := newClient(t, cfg)
	if err := c.Revoke(t.Context(), "canary-token", ""); err != nil || s.Hits("/mtls/revoke") != 1 {
		t.Error(err)
	}
	if _, err := c.Introspect(t.Context(), "canary-token", ""); err != nil || s.Hits("/mtls/introspect") != 1 {
		t.Error(err)
	}
	if _, err := grant.BeginDevice(t.Context(), c, client.TokenRequest{}); err != nil || s.Hits("/mtls/device") != 1 {
		t.Error(err)
	}
	if _, err := grant.BeginBackchannel(t.Context(), c, grant.BackchannelRequest{LoginHint: "alice"}); err != nil || s.Hits("/mtls/ciba") != 1 {
		t.Error(err)
	}
}

// TestNoEndpoint: a server without the endpoint, or with an unusable one, is reported by a separate
// error. No request is sent.
func TestNoEndpoint(t *testing.T) {
	for _, u := range []any{nil, "http://as.example/x", 7} {
		s := optest.New(t)
		s.Edit = func(m map[string]any) {
			for _, name := range []string{"revocation_endpoint", "end_session_endpoint"} {
				m[name] = u
				if u == nil {
					delete(m, name)
				}
			}
			delete(m, "introspection_endpoint")
		}
		c := newClient(t, config(s))
		_, introspecting := c.Introspect(t.Context(), "canary-token", "")
		_, _, ending := c.LogoutURL(t.Context(), client.Logout{})
		revoking := c.Revoke(t.Context(), "canary-token", "")
		for step, err := range map[client.Step]error{client.StepRevoke: revoking, client.StepIntrospect: introspecting, client.StepLogout: ending} {
			var e *client.Error
			if !errors.As(err, &e) || e.Step != step || !errors.Is(err, client.ErrNoEndpoint) || e.Temporary() {
				t.Errorf("%v: %s: %v", u, step, err)
			}
		}
	}
}

// TestRevokeNothing: a value that cannot be a token is not sent.
func TestRevokeNothing(t *testing.T) {
	s := optest.New(t)
	c := newClient(t, config(s))
	for _, token := range []string{"", "canary\r\n", "canary\x7f", "canary-é"} {
		if err := c.Revoke(t.Context(), token, ""); err == nil {
			t.Errorf("%q was taken", token)
		}
		if _, err := c.Introspect(t.Context(), token, ""); err == nil {
			t.Errorf("%q was taken", token)
		}
	}
	if err := c.RevokeTokens(t.Context(), nil); err == nil {
		t.Error("no tokens were revoked")
	}
	if s.Hits("/revoke")+s.Hits("/introspect") != 0 {
		t.Error("something was sent")
	}
}

// TestRevokeTokens revokes the refresh token first. If one revocation fails, the other token is
// still revoked.
func TestRevokeTokens(t *testing.T) {
	for _, test := range []struct {
		name   string
		tokens oauth2.Token
		codes  map[string]string // errors, by token
		want   []string          // the tokens, in their order
		ok     bool
	}{
		{name: "both", tokens: oauth2.Token{AccessToken: "a", RefreshToken: "r"}, want: []string{"r", "a"}, ok: true},
		{name: "an access token alone", tokens: oauth2.Token{AccessToken: "a"}, want: []string{"a"}, ok: true},
		{name: "a refresh token alone", tokens: oauth2.Token{RefreshToken: "r"}, want: []string{"r"}, ok: true},
		{name: "access tokens are not revoked", tokens: oauth2.Token{AccessToken: "a", RefreshToken: "r"}, codes: map[string]string{"a": "unsupported_token_type"}, want: []string{"r", "a"}, ok: true},
		{name: "nor is one alone", tokens: oauth2.Token{AccessToken: "a"}, codes: map[string]string{"a": "unsupported_token_type"}, want: []string{"a"}},
		{name: "the first fails", tokens: oauth2.Token{AccessToken: "a", RefreshToken: "r"}, codes: map[string]string{"r": "server_error"}, want: []string{"r", "a"}},
		{name: "the second fails", tokens: oauth2.Token{AccessToken: "a", RefreshToken: "r"}, codes: map[string]string{"a": "server_error"}, want: []string{"r", "a"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := optest.New(t)
			var got []string
			s.Replace("/revoke", func(w http.ResponseWriter, r *http.Request) {
				token := r.PostFormValue("token")
				got = append(got, token)
				if hint := map[string]string{"a": "access_token", "r": "refresh_token"}[token]; r.PostFormValue("token_type_hint") != hint {
					t.Errorf("hint %q for %s", r.PostFormValue("token_type_hint"), token)
				}
				if code := test.codes[token]; code != "" {
					optest.JSON(w, 400, m{"error": code})
				}
			})
			err := newClient(t, config(s)).RevokeTokens(t.Context(), &client.Tokens{Token: &test.tokens})
			if (err == nil) != test.ok || !slices.Equal(got, test.want) {
				t.Errorf("revoked %q, %v", got, err)
			}
		})
	}
}
