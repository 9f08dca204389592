package client_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/countersign/countersign/client"
	"github.com/countersign/countersign/client/auth"
	"github.com/countersign/countersign/discovery"
	"github.com/countersign/countersign/internal/optest"
	"github.com/countersign/countersign/pkce"
)

// TestNoRedirectURL: a client without RedirectURL is valid, but cannot begin a login.
func TestNoRedirectURL(t *testing.T) {
	s := optest.New(t)
	pending, q := begun(t, s, newClient(t, config(s)))
	cfg := config(s)
	cfg.RedirectURL = ""
	c := newClient(t, cfg)
	_, _, begin := c.Begin(t.Context(), client.Request{})
	_, exchange := c.Exchange(t.Context(), "canary-code", pkce.New())
	for name, err := range map[string]error{"Begin": begin, "Exchange": exchange} {
		var e *client.Error
		if !errors.As(err, &e) || !strings.Contains(err.Error(), "Config.RedirectURL") {
			t.Errorf("%s: %v", name, err)
		}
	}
	pending.RedirectURL = ""
	if _, err := c.Finish(t.Context(), pending, q); err == nil || !strings.Contains(err.Error(), "redirect_uri") {
		t.Errorf("Finish: %v", err)
	}
	if s.Hits("/token") != 0 {
		t.Error("a token request was sent")
	}
}

// TestMetadataOfNoLogin: authorization_endpoint is required only for logins.
func TestMetadataOfNoLogin(t *testing.T) {
	cfg := client.Config{
		Issuer: "https://as.example", ClientID: "rp", Auth: auth.Public(),
		Metadata: &discovery.Metadata{Issuer: "https://as.example", TokenEndpoint: "https://as.example/token"},
	}
	newClient(t, cfg)
	cfg.RedirectURL = "https://rp.example/cb"
	if _, err := client.New(cfg); err == nil {
		t.Error("accepted without authorization_endpoint")
	}
	cfg.RedirectURL, cfg.Metadata = "", &discovery.Metadata{Issuer: "https://as.example"}
	if _, err := client.New(cfg); err == nil {
		t.Error("accepted without token_endpoint")
	}
}
