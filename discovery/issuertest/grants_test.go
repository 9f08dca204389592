package issuertest_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"testing"
	"time"

	"github.com/countersign/countersign/client"
	"github.com/countersign/countersign/client/auth"
	"github.com/countersign/countersign/client/grant"
	"github.com/countersign/countersign/discovery/issuertest"
)

func TestGrantsWithoutABrowser(t *testing.T) {
	issuer := issuertest.New(t, issuertest.Config{})
	c := newClient(t, issuer, nil)
	own, err := grant.ClientCredentials(t.Context(), c, client.TokenRequest{Scopes: []string{"photos.read"}})
	if err != nil || !slices.Equal(own.Scopes, []string{"photos.read"}) {
		t.Fatalf("client credentials: %v", err)
	}
	tokens := mustLogin(t, issuer, c)
	exchanged, err := grant.TokenExchange(t.Context(), c, grant.ExchangeRequest{
		SubjectToken: tokens.AccessToken, ActorToken: own.AccessToken, Audiences: []string{"https://other-api.example"},
	})
	if err != nil {
		t.Fatalf("token exchange: %v", err)
	}
	said, err := c.Introspect(t.Context(), exchanged.AccessToken, "")
	var claims struct {
		Act struct {
			Subject string `json:"sub"`
		} `json:"act"`
	}
	if err != nil || said.Subject != "alice" || !slices.Equal(said.Audience, []string{"https://other-api.example"}) || said.Claims(&claims) != nil || claims.Act.Subject != "web" {
		t.Errorf("the exchanged token: %+v, %+v, %v", said, claims, err)
	}
	_, err = grant.TokenExchange(t.Context(), c, grant.ExchangeRequest{SubjectToken: "another-token"})
	wantCode(t, err, "invalid_request")
}

func TestJWTBearer(t *testing.T) {
	key := issuertest.NewKey("client-key", "ES256")
	issuer := issuertest.New(t, issuertest.Config{Clients: []issuertest.Client{{ID: "web", Secret: "web-secret", Keys: issuertest.JWKS(key)}}})
	c := newClient(t, issuer, nil)
	signing := auth.SigningKey{KeyID: key.ID, Key: key.Private}
	if _, err := grant.JWTBearer(t.Context(), c, grant.AssertionRequest{Keys: signing, Subject: "alice"}); err != nil {
		t.Error(err)
	}
	_, err := grant.JWTBearer(t.Context(), c, grant.AssertionRequest{Keys: signing, Subject: "nobody"})
	wantCode(t, err, "invalid_grant")
}

func TestDevice(t *testing.T) {
	for name, test := range map[string]struct {
		decide func(*issuertest.Issuer, *grant.Device) error
		page   bool
		want   string
	}{
		"approve": {func(i *issuertest.Issuer, d *grant.Device) error { return i.Approve(d.UserCode, "") }, true, ""},
		"deny":    {func(i *issuertest.Issuer, d *grant.Device) error { return i.Deny(d.UserCode) }, true, "access_denied"},
		"visit":   {func(i *issuertest.Issuer, d *grant.Device) error { return visit(i, d.VerificationURIComplete, nil) }, false, ""},
		"page": {func(i *issuertest.Issuer, d *grant.Device) error {
			return visit(i, d.VerificationURI, url.Values{"user_code": {d.UserCode}, "user": {"alice"}})
		}, true, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			issuer := issuertest.New(t, issuertest.Config{Page: test.page, Faults: []issuertest.Fault{issuertest.PollPending}})
			c := newClient(t, issuer, nil)
			d, err := grant.BeginDevice(t.Context(), c, client.TokenRequest{})
			if err != nil {
				t.Fatal(err)
			}
			if err := test.decide(issuer, d); err != nil {
				t.Fatal(err)
			}
			time.AfterFunc(100*time.Millisecond, func() { issuer.Behave() })
			tokens, err := grant.FinishDevice(t.Context(), c, d)
			if test.want != "" {
				wantCode(t, err, test.want)
			} else if err != nil || tokens.IDToken.Subject != "alice" {
				t.Error(err)
			}
		})
	}
}

func visit(i *issuertest.Issuer, address string, form url.Values) error {
	get := i.Client().Get
	if form != nil {
		get = func(address string) (*http.Response, error) { return i.Client().PostForm(address, form) }
	}
	resp, err := get(address)
	if err == nil {
		resp.Body.Close()
		if resp.StatusCode != 200 {
			err = errors.New(resp.Status)
		}
	}
	return err
}

func TestBackchannel(t *testing.T) {
	pinged := make(chan *grant.Backchannel, 1)
	var waiting *grant.Backchannel
	handler := &grant.PingHandler{
		Find:   func(context.Context, string) (*grant.Backchannel, error) { return waiting, nil },
		Notify: func(_ context.Context, b *grant.Backchannel) { pinged <- b },
	}
	app := httptest.NewTLSServer(handler)
	defer app.Close()
	issuer := issuertest.New(t, issuertest.Config{Page: true, Clients: []issuertest.Client{{ID: "web", Secret: "web-secret", NotificationURL: app.URL}}})
	c := newClient(t, issuer, nil)
	b, err := grant.BeginBackchannel(t.Context(), c, grant.BackchannelRequest{LoginHint: "alice@example.com", Ping: true})
	if err != nil {
		t.Fatal(err)
	}
	waiting = b
	if err := issuer.Approve(b.AuthReqID, ""); err != nil {
		t.Fatal(err)
	}
	tokens, err := grant.FinishBackchannel(t.Context(), c, <-pinged)
	if err != nil || tokens.IDToken.Subject != "alice" {
		t.Error(err)
	}
	_, err = grant.BeginBackchannel(t.Context(), c, grant.BackchannelRequest{LoginHint: "nobody"})
	wantCode(t, err, "unknown_user_id")
}
