package internal_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/countersign/countersign/client"
	"github.com/countersign/countersign/client/auth"
	"github.com/countersign/countersign/discovery"
	"github.com/countersign/countersign/internal/optest"
)

// TestGuardedTransport: an application's Transport blocks private addresses only if it uses a
// Dialer. DISC-03.
func TestGuardedTransport(t *testing.T) {
	target, asked := inside(t)
	s := optest.New(t)
	s.Edit = func(m map[string]any) {
		m["pushed_authorization_request_endpoint"] = strings.Replace(target, "127.0.0.1", "localhost", 1) + "/par"
		m["require_pushed_authorization_requests"] = true
	}
	config := client.Config{Issuer: s.URL, ClientID: "rp", Auth: auth.SecretPost("canary-secret"), RedirectURL: "https://rp.example/cb"}
	transport := &http.Transport{DialContext: (&discovery.Dialer{}).DialContext, Proxy: http.ProxyFromEnvironment}
	config.HTTP = &http.Client{Transport: transport}
	for guarded, hc := range map[bool]*http.Client{true: config.HTTP, false: {Transport: &http.Transport{}}} {
		config.HTTP = hc
		c, err := client.New(config)
		if err != nil {
			t.Fatal(err)
		}
		_, _, err = c.Begin(t.Context(), client.Request{})
		if n := asked.Swap(0); (n == 0) != guarded || guarded && (err == nil || !strings.Contains(err.Error(), "private address")) {
			t.Errorf("guarded %t: %d requests, %v", guarded, n, err)
		}
	}
}
