package internal_test

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/url"
	"testing"
	"time"

	"golang.org/x/oauth2"

	"github.com/countersign/countersign/client"
	"github.com/countersign/countersign/client/auth"
	"github.com/countersign/countersign/client/grant"
	"github.com/countersign/countersign/client/registration"
	"github.com/countersign/countersign/discovery"
	"github.com/countersign/countersign/idtoken"
	"github.com/countersign/countersign/par"
	"github.com/countersign/countersign/pkce"
)

// TestServerCodes: each call returns the code of the server unchanged, also one that no clause
// defines. A code that must not be shown on a page becomes "invalid_error_code".
func TestServerCodes(t *testing.T) {
	var code string
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusBadRequest)
		json.NewEncoder(w).Encode(map[string]string{"error": code})
	}))
	defer server.Close()
	calls := refusedCalls(t, server.URL, metadataAt(server.URL))
	for _, test := range []struct{ sent, want string }{
		{"invalid_target", "invalid_target"}, {"vendor_code", "vendor_code"}, {"Vendor:code/1.2-3", "Vendor:code/1.2-3"},
		{"two words", "invalid_error_code"}, {"<b>", "invalid_error_code"},
	} {
		code = test.sent
		for name, call := range calls {
			if got := codeOfError(call(t.Context(), code)); got != test.want {
				t.Errorf("%s: the code is %q, expected %q", name, got, test.want)
			}
		}
	}
}

// TestNoEndpoint: an operation for which the server has no endpoint is ErrNoEndpoint.
func TestNoEndpoint(t *testing.T) {
	m := metadataAt("https://as.example")
	m.RevocationEndpoint, m.IntrospectionEndpoint, m.UserInfoEndpoint, m.DeviceAuthorizationEndpoint, m.BackchannelAuthenticationEndpoint, m.EndSessionEndpoint = "", "", "", "", "", ""
	calls := refusedCalls(t, m.Issuer, m)
	calls["LogoutURL"] = func(ctx context.Context, _ string) error {
		c, err := client.New(client.Config{Issuer: m.Issuer, Metadata: m, ClientID: "web", Auth: auth.Public(), RedirectURL: "https://app.example/callback"})
		if err == nil {
			_, _, err = c.LogoutURL(ctx, client.Logout{})
		}
		return err
	}
	for _, name := range []string{"Revoke", "RevokeTokens", "Introspect", "UserInfo", "LogoutURL", "BeginDevice", "BeginBackchannel"} {
		if err := calls[name](t.Context(), ""); !errors.Is(err, client.ErrNoEndpoint) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func codeOfError(err error) string {
	var a *client.Error
	var b *par.Error
	var c *registration.Error
	switch {
	case errors.As(err, &a):
		return a.Code
	case errors.As(err, &b):
		return b.Code
	case errors.As(err, &c):
		return c.Code
	}
	return ""
}

func metadataAt(base string) *discovery.Metadata {
	return &discovery.Metadata{
		Issuer: base, AuthorizationEndpoint: base + "/authorize", TokenEndpoint: base + "/token", JWKSURI: base + "/jwks",
		PushedAuthorizationRequestEndpoint: base + "/par", UserInfoEndpoint: base + "/userinfo", RevocationEndpoint: base + "/revoke",
		IntrospectionEndpoint: base + "/introspect", DeviceAuthorizationEndpoint: base + "/device", RegistrationEndpoint: base + "/register",
		BackchannelAuthenticationEndpoint: base + "/ciba", BackchannelTokenDeliveryModesSupported: []string{"poll"},
		ResponseTypesSupported: []string{"code"}, SubjectTypesSupported: []string{"public"}, IDTokenSigningAlgValuesSupported: []string{"RS256"},
	}
}

// refusedCalls are the calls that send one request to the server. The argument code is the error
// of a callback. Without it the callback has a code to redeem.
func refusedCalls(t *testing.T, issuer string, m *discovery.Metadata) map[string]func(ctx context.Context, code string) error {
	c, err := client.New(client.Config{
		Issuer: issuer, Metadata: m, ClientID: "web", Auth: auth.SecretBasic("canary-secret"),
		RedirectURL: "https://app.example/callback", PAR: client.PARAuto,
	})
	if err != nil {
		t.Fatal(err)
	}
	issued := &client.Tokens{
		Token: &oauth2.Token{AccessToken: "canary-access", RefreshToken: "canary-refresh", TokenType: "Bearer"},
		Login: &idtoken.Original{Issuer: issuer, Subject: "alice", Audience: []string{"web"}},
	}
	callback := func(code string) (*client.Pending, url.Values) {
		return &client.Pending{
			Issuer: issuer, ClientID: "web", RedirectURL: "https://app.example/callback", State: string(pkce.New()), Nonce: "n",
			CodeVerifier: string(pkce.New()), Scopes: []string{"openid"}, CreatedAt: time.Now(),
		}, answerOf(code)
	}
	registered := &registration.Registered{ClientID: "web", AccessToken: "canary-registration", URI: issuer + "/registered/web"}
	registrar := &registration.Registrar{Server: &discovery.Provider{Issuer: issuer, Static: m}}
	return map[string]func(context.Context, string) error{
		"Begin":    func(ctx context.Context, _ string) error { _, _, err := c.Begin(ctx, client.Request{}); return err },
		"Exchange": func(ctx context.Context, _ string) error { _, err := c.Exchange(ctx, "code", pkce.New()); return err },
		"Refresh":  func(ctx context.Context, _ string) error { _, err := c.Refresh(ctx, issued); return err },
		"Finish": func(ctx context.Context, code string) error {
			pending, q := callback(code)
			q.Set("state", pending.State)
			_, err := c.Finish(ctx, pending, q)
			return err
		},
		"CheckCallback": func(ctx context.Context, code string) error {
			pending, q := callback(code)
			q.Set("state", pending.State)
			return c.CheckCallback(ctx, pending, q)
		},
		"Grant": func(ctx context.Context, _ string) error {
			_, err := c.Grant(ctx, client.Grant{Type: "urn:example:grant"})
			return err
		},
		"UserInfo":     func(ctx context.Context, _ string) error { _, err := c.UserInfo(ctx, issued); return err },
		"Revoke":       func(ctx context.Context, _ string) error { return c.Revoke(ctx, "canary-access", "") },
		"RevokeTokens": func(ctx context.Context, _ string) error { return c.RevokeTokens(ctx, issued) },
		"Introspect": func(ctx context.Context, _ string) error {
			_, err := c.Introspect(ctx, "canary-access", "")
			return err
		},
		"ClientCredentials": func(ctx context.Context, _ string) error {
			_, err := grant.ClientCredentials(ctx, c, client.TokenRequest{})
			return err
		},
		"TokenExchange": func(ctx context.Context, _ string) error {
			_, err := grant.TokenExchange(ctx, c, grant.ExchangeRequest{SubjectToken: "canary-subject"})
			return err
		},
		"JWTBearer": func(ctx context.Context, _ string) error {
			_, err := grant.JWTBearer(ctx, c, grant.AssertionRequest{Assertion: "e30.e30.e30"})
			return err
		},
		"BeginDevice": func(ctx context.Context, _ string) error {
			_, err := grant.BeginDevice(ctx, c, client.TokenRequest{})
			return err
		},
		"BeginBackchannel": func(ctx context.Context, _ string) error {
			_, err := grant.BeginBackchannel(ctx, c, grant.BackchannelRequest{LoginHint: "alice"})
			return err
		},
		"Push": func(ctx context.Context, _ string) error {
			_, err := par.Push(ctx, nil, m.PushedAuthorizationRequestEndpoint, nil, url.Values{"client_id": {"web"}})
			return err
		},
		"Register": func(ctx context.Context, _ string) error {
			_, err := registrar.Register(ctx, registration.Metadata{RedirectURIs: []string{"https://app.example/callback"}})
			return err
		},
		"Read":   func(ctx context.Context, _ string) error { _, err := registrar.Read(ctx, registered); return err },
		"Update": func(ctx context.Context, _ string) error { _, err := registrar.Update(ctx, registered); return err },
		"Delete": func(ctx context.Context, _ string) error { return registrar.Delete(ctx, registered) },
		"PostForm": func(ctx context.Context, _ string) error {
			return c.PostForm(ctx, "a step", func(m *discovery.Metadata) string { return m.DeviceAuthorizationEndpoint }, url.Values{}, &struct{}{})
		},
		"FinishAt": func(ctx context.Context, code string) error {
			pending, q := callback(code)
			q.Set("state", pending.State)
			_, err := c.FinishAt(ctx, pending, &url.URL{Scheme: "https", Host: "app.example", Path: "/callback"}, q)
			return err
		},
	}
}

// answerOf is the query of a callback.
func answerOf(code string) url.Values {
	if code == "" {
		return url.Values{"code": {"canary-code"}}
	}
	return url.Values{"error": {code}}
}
