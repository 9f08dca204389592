package client_test

import (
	"strings"
	"testing"

	"github.com/countersign/countersign/client"
	"github.com/countersign/countersign/discovery"
	"github.com/countersign/countersign/internal/optest"
)

// TestProvider: clients that share a Provider fetch metadata and keys once.
func TestProvider(t *testing.T) {
	s := optest.New(t)
	provider := &discovery.Provider{Issuer: s.URL}
	for range 3 {
		cfg := config(s)
		cfg.Issuer, cfg.Provider = "", provider
		if tokens, err := login(t, s, newClient(t, cfg)); err != nil || tokens.IDToken.Issuer != s.URL {
			t.Fatalf("%v, %v", tokens, err)
		}
	}
	if m, k := s.Hits("/.well-known/openid-configuration"), s.Hits("/jwks"); m != 1 || k != 1 {
		t.Errorf("metadata was fetched %d times, keys %d times", m, k)
	}
}

// TestProviderConfig: a setting of the Provider must not be set in Config too.
func TestProviderConfig(t *testing.T) {
	s := optest.New(t)
	for name, edit := range map[string]func(*client.Config){
		"Issuer":          func(c *client.Config) { c.Issuer = "https://other.example" },
		"DiscoveryURL":    func(c *client.Config) { c.DiscoveryURL = s.URL + "/metadata" },
		"Metadata":        func(c *client.Config) { c.Metadata = &discovery.Metadata{Issuer: s.URL} },
		"UntrustedIssuer": func(c *client.Config) { c.UntrustedIssuer = true },
		"InsecureHTTP":    func(c *client.Config) { c.InsecureHTTP = true },
		"Provider":        func(c *client.Config) { c.Issuer, c.Provider = "", &discovery.Provider{} },
	} {
		cfg := config(s)
		cfg.Provider = &discovery.Provider{Issuer: s.URL}
		edit(&cfg)
		if _, err := client.New(cfg); err == nil || name != "Provider" && !strings.Contains(err.Error(), name) {
			t.Errorf("%s: %v", name, err)
		}
	}
	cfg := config(s)
	cfg.Profile, cfg.Provider = client.OAuth21, &discovery.Provider{Issuer: s.URL, InsecureHTTP: true}
	if _, err := client.New(cfg); err == nil || !strings.Contains(err.Error(), "InsecureHTTP") {
		t.Errorf("a profile accepts the Provider's InsecureHTTP: %v", err)
	}
	cfg = config(s)
	cfg.Provider = &discovery.Provider{Issuer: s.URL}
	if c := newClient(t, cfg); c.Issuer() != s.URL {
		t.Errorf("the issuer is %q", c.Issuer())
	}
}
