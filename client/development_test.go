package client_test

import (
	"context"
	"net"
	"net/http"
	"strings"
	"testing"

	"github.com/countersign/countersign/client"
	"github.com/countersign/countersign/client/auth"
	"github.com/countersign/countersign/internal/optest"
)

// TestInsecureHTTP: http to a host that is not loopback is accepted only with InsecureHTTP. A
// profile rejects InsecureHTTP. TE-01.
func TestInsecureHTTP(t *testing.T) {
	s := optest.New(t)
	container := strings.Replace(s.URL, "127.0.0.1", "keycloak", 1)
	s.Edit = func(m map[string]any) {
		for name, value := range m {
			if u, ok := value.(string); ok {
				m[name] = strings.Replace(u, s.URL, container, 1)
			}
		}
	}
	cfg := config(s)
	cfg.Issuer = container
	cfg.HTTP = &http.Client{Transport: &http.Transport{DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, network, strings.TrimPrefix(s.URL, "http://"))
	}}}
	if _, err := client.New(cfg); err == nil || !strings.Contains(err.Error(), "InsecureHTTP") {
		t.Fatalf("without the switch: %v", err)
	}
	cfg.InsecureHTTP = true
	if _, _, err := newClient(t, cfg).Begin(t.Context(), client.Request{}); err != nil {
		t.Error(err)
	}
	for _, profile := range []client.Profile{client.OIDCBasic, client.OAuth21} {
		cfg.Profile = profile
		if _, err := client.New(cfg); err == nil || !strings.Contains(err.Error(), "no Insecure option") {
			t.Errorf("%s: %v", profile, err)
		}
	}
}

// TestNamesUnderLocalhost: RFC 6761 §6.3.
func TestNamesUnderLocalhost(t *testing.T) {
	for _, issuer := range []string{"http://keycloak.localhost:8080/realms/main", "http://LOCALHOST:8080"} {
		cfg := client.Config{Issuer: issuer, ClientID: "rp", Auth: auth.Public(), RedirectURL: "http://app.localhost:3000/cb"}
		if _, err := client.New(cfg); err != nil {
			t.Errorf("%s: %v", issuer, err)
		}
	}
	cfg := client.Config{Issuer: "https://as.example", ClientID: "rp", Auth: auth.Public(), RedirectURL: "http://app.localhost.example/cb"}
	if _, err := client.New(cfg); err == nil {
		t.Error("http to any host is accepted")
	}
}
