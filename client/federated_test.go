package client_test

import (
	"errors"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/countersign/countersign/client"
	"github.com/countersign/countersign/client/auth"
	"github.com/countersign/countersign/client/grant"
	"github.com/countersign/countersign/internal/optest"
	"github.com/countersign/countersign/rs"
)

// TestFederatedEverywhere: the client authenticates at every endpoint with the assertion in the
// platform's file. It reads the file for each request.
func TestFederatedEverywhere(t *testing.T) {
	s := optest.New(t)
	s.Asserted = true
	platform := optest.NewKey("platform", "RS256")
	path := filepath.Join(t.TempDir(), "token")
	n := 0
	renew := func() string { // as the platform does
		n++
		token := platform.Sign(m{"iss": "https://platform.example", "sub": "system:serviceaccount:default:app", "aud": []string{s.URL}, "exp": time.Now().Unix() + 60, "n": n}, nil)
		if err := os.WriteFile(path, []byte(token), 0o600); err != nil {
			t.Fatal(err)
		}
		return token
	}
	method := auth.FederatedFile(path, auth.FederatedAssertion{})
	cfg := config(s)
	cfg.Auth = method
	c := newClient(t, cfg)
	var tokens *client.Tokens
	ctx := t.Context()
	for _, step := range []struct {
		at string
		do func() error
	}{
		{"/par", func() error { _, _, err := c.Begin(ctx, client.Request{}); return err }},
		{"/token", func() (err error) { tokens, err = login(t, s, c); return err }},
		{"/token", func() error { _, err := c.Refresh(ctx, tokens); return err }},
		{"/token", func() error { _, err := grant.ClientCredentials(ctx, c, client.TokenRequest{}); return err }},
		{"/token", func() error {
			_, err := grant.TokenExchange(ctx, c, grant.ExchangeRequest{SubjectToken: "canary-subject"})
			return err
		}},
		{"/revoke", func() error { return c.Revoke(ctx, "canary-token", "") }},
		{"/introspect", func() error { _, err := c.Introspect(ctx, "canary-opaque", ""); return err }},
		{"/device", func() error { _, err := grant.BeginDevice(ctx, c, client.TokenRequest{}); return err }},
		{"/backchannel", func() error {
			_, err := grant.BeginBackchannel(ctx, c, grant.BackchannelRequest{LoginHint: "alice"})
			return err
		}},
		{"/introspect", func() error {
			i := rs.Introspection{URL: s.URL + "/introspect", Issuer: s.URL, Audience: optest.Audience, Auth: method.For("api", s.URL)}
			_, err := i.VerifyToken(ctx, "canary-opaque")
			return err
		}},
	} {
		want := renew()
		if err := step.do(); err != nil {
			t.Errorf("%s: %v", step.at, err)
			continue
		}
		form := s.Form(step.at)
		if form.Get("client_assertion") != want || form.Has("client_secret") || form.Has("Authorization") {
			t.Errorf("%s: another assertion, or a secret beside it", step.at)
		}
	}

	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	hits := s.Hits("/token")
	var e *client.Error
	if _, err := grant.ClientCredentials(ctx, c, client.TokenRequest{}); !errors.As(err, &e) || e.Step != client.StepToken || s.Hits("/token") != hits {
		t.Errorf("without an assertion: %v", err)
	}
	renew()
	_, err := grant.ClientCredentials(ctx, c, client.TokenRequest{Extra: url.Values{"client_assertion": {"canary"}}})
	if err == nil || !strings.Contains(err.Error(), "client_assertion") {
		t.Errorf("an assertion in Extra: %v", err)
	}

	cfg.Profile, cfg.CertificateBound, cfg.HTTP = client.FAPI2Security, true, withCertificate
	if _, err := client.New(cfg); err == nil || !strings.Contains(err.Error(), "Auth to be PrivateKeyJWT") {
		t.Errorf("FAPI accepts an assertion that the client did not sign: %v", err)
	}
}
