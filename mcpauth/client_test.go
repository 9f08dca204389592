package mcpauth_test

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/countersign/countersign/client"
	"github.com/countersign/countersign/client/auth"
	"github.com/countersign/countersign/client/grant"
	"github.com/countersign/countersign/client/registration"
	"github.com/countersign/countersign/discovery/issuertest"
	"github.com/countersign/countersign/mcpauth"
	"github.com/countersign/countersign/rs"
)

// TestLogin: challenge, metadata, registration, login, call; then a tool that needs more scope.
func TestLogin(t *testing.T) {
	w := newWorld(t, issuertest.Config{})
	session := connect(t, w, newHandler(t, w.config()))
	mustCall(t, session, "list", "list for alice with photos.read offline_access")
	w.wantLogins(t, 1)
	mustCall(t, session, "delete", "delete for alice with photos.read photos.write offline_access")
	mustCall(t, session, "delete", "delete for alice with photos.read photos.write offline_access")
	w.wantLogins(t, 2)
	if n := len(w.issuer.Exchanges(issuertest.RegistrationEndpoint)); n != 1 {
		t.Errorf("%d registrations", n)
	}
}

// TestNoPKCE: a server that does not announce S256 is rejected before the user sees it.
func TestNoPKCE(t *testing.T) {
	for _, methods := range []any{nil, []string{}, []string{"plain"}} {
		w := newWorld(t, issuertest.Config{Metadata: map[string]any{"code_challenge_methods_supported": methods}})
		h := newHandler(t, w.config())
		_, err := tryConnect(t, &mcp.StreamableClientTransport{Endpoint: w.url, OAuthHandler: h, HTTPClient: h.HTTPClient()})
		if err == nil || !strings.Contains(err.Error(), "Config.InsecureNoS256") {
			t.Errorf("%v: %v", methods, err)
		}
		w.wantLogins(t, 0)

		if list, _ := methods.([]string); len(list) > 0 {
			continue // a server that lists another method does not support S256
		}
		config := w.config()
		config.InsecureNoS256 = []string{w.issuer.URL}
		mustCall(t, connect(t, w, newHandler(t, config)), "list", "list for alice with photos.read offline_access")
	}
}

// TestConcurrentCalls: eight calls with a rejected token cause one login and no second
// registration.
func TestConcurrentCalls(t *testing.T) {
	w := newWorld(t, issuertest.Config{})
	config := w.config()
	config.Open = func(ctx context.Context, address string) error {
		time.Sleep(200 * time.Millisecond) // so that all calls have arrived
		return w.browser(ctx, address)
	}
	session := connect(t, w, newHandler(t, config))
	w.issuer.RevokeAll()
	w.issuer.Advance(6 * time.Minute)
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() { mustCall(t, session, "list", "list for alice with photos.read offline_access") })
	}
	all.Wait()
	w.wantLogins(t, 2) // the first login, and one for all eight calls
	if n := len(w.issuer.Exchanges(issuertest.RegistrationEndpoint)); n != 1 {
		t.Errorf("%d registrations", n)
	}
}

// TestDeniedOnce: after the user denies, other calls that wait for the same login fail without
// asking the user again.
func TestDeniedOnce(t *testing.T) {
	w := newWorld(t, issuertest.Config{})
	w.issuer.Inject(issuertest.CallbackDenied)
	h := newHandler(t, w.config())
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			r, _ := http.NewRequestWithContext(t.Context(), "POST", w.url, strings.NewReader("{}"))
			resp, err := h.HTTPClient().Do(r)
			if err != nil {
				t.Error(err)
				return
			}
			var denied *client.CallbackError
			if err := h.Authorize(t.Context(), r, resp); !errors.As(err, &denied) || denied.Code != "access_denied" {
				t.Errorf("%v", err)
			}
		})
	}
	all.Wait()
	w.wantLogins(t, 1)
}

// TestCallback: the application has its own redirect URI.
func TestCallback(t *testing.T) {
	w := newWorld(t, issuertest.Config{})
	config := w.config()
	config.Client.Metadata.RedirectURIs = []string{"https://agent.example/callback"}
	at := "https://agent.example/callback"
	config.Callback = func(_ context.Context, address string) (*url.URL, error) {
		return url.Parse(at + "?" + w.issuer.SignIn(t, address).Encode())
	}
	mustCall(t, connect(t, w, newHandler(t, config)), "list", "list for alice with photos.read offline_access")

	at = "https://agent.example/other" // a response at another URL is rejected
	h := newHandler(t, config)
	if _, err := tryConnect(t, &mcp.StreamableClientTransport{Endpoint: w.url, OAuthHandler: h, HTTPClient: h.HTTPClient()}); err == nil {
		t.Error("the response arrived elsewhere")
	}
}

// TestDPoP: the MCP server requires bound tokens. Without Handler.HTTPClient they cannot be sent.
func TestDPoP(t *testing.T) {
	w := newWorld(t, issuertest.Config{})
	w.api.DPoP = &rs.DPoP{BaseURL: w.origin(), Required: true, NonceKey: []byte("canary-nonce-key-of-32-bytes-or-more"), Now: w.issuer.Now}
	w.meta.DPoPBoundAccessTokensRequired = true
	mustCall(t, connect(t, w, newHandler(t, w.config())), "list", "list for alice with photos.read offline_access")
	_, err := tryConnect(t, &mcp.StreamableClientTransport{Endpoint: w.url, OAuthHandler: newHandler(t, w.config())})
	if err == nil || !strings.Contains(err.Error(), "Handler.HTTPClient()") {
		t.Errorf("%v", err)
	}
}

// TestOAuthHandlerAlone: bearer tokens need no Handler.HTTPClient.
func TestOAuthHandlerAlone(t *testing.T) {
	w := newWorld(t, issuertest.Config{})
	session, err := tryConnect(t, &mcp.StreamableClientTransport{Endpoint: w.url, OAuthHandler: newHandler(t, w.config()), DisableStandaloneSSE: true})
	if err != nil {
		t.Fatal(err)
	}
	mustCall(t, session, "delete", "delete for alice with photos.read photos.write offline_access")
	w.issuer.Advance(6 * time.Minute)
	mustCall(t, session, "list", "list for alice with photos.read photos.write offline_access")
	w.wantLogins(t, 2)
}

// TestStepUpLimit: the server does not grant the scopes of the tool, or the MCP server requires
// other scopes each time.
func TestStepUpLimit(t *testing.T) {
	w := newWorld(t, issuertest.Config{Clients: []issuertest.Client{{ID: "agent", Scopes: []string{"photos.read"}}}})
	config := w.config()
	config.Registered = func(string) (client.Config, bool) {
		return client.Config{ClientID: "agent", Auth: auth.Public()}, true
	}
	session := connect(t, w, newHandler(t, config))
	for range 3 {
		if _, err := call(t, session, "delete"); err == nil {
			t.Error("the tool ran")
		}
	}
	if n := w.logins.Load(); n > 2 {
		t.Errorf("%d logins", n)
	}

	w3 := newWorld(t, issuertest.Config{})
	inner, n := w3.serve(), atomic.Int32{}
	w3.replace(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/mcp" && r.Header.Get("Authorization") != "" {
			rw.Header().Set("WWW-Authenticate", `Bearer error="insufficient_scope", scope="s`+strings.Repeat("x", int(n.Add(1)))+`"`)
			rw.WriteHeader(http.StatusForbidden)
			return
		}
		inner.ServeHTTP(rw, r)
	}))
	h := newHandler(t, w3.config())
	for range 12 {
		r, _ := http.NewRequestWithContext(t.Context(), "POST", w3.url, strings.NewReader("{}"))
		resp, err := h.HTTPClient().Do(r)
		if err != nil {
			t.Fatal(err)
		}
		h.Authorize(t.Context(), r, resp)
		w3.issuer.Advance(10 * time.Second)
	}
	w3.wantLogins(t, 5)
}

// TestClientCredentials: a program without a user gets a token.
func TestClientCredentials(t *testing.T) {
	w := newWorld(t, issuertest.Config{})
	config := w.config()
	config.Client, config.Grant = nil, grant.ClientCredentials
	config.Registered = func(issuer string) (client.Config, bool) {
		return client.Config{ClientID: issuertest.ClientID, Auth: auth.Secret(issuertest.ClientSecret)}, issuer == w.issuer.URL
	}
	session := connect(t, w, newHandler(t, config))
	if got, err := call(t, session, "delete"); err != nil || !strings.HasSuffix(got, "with photos.read photos.write") {
		t.Errorf("%q, %v", got, err)
	}
	w.issuer.Advance(6 * time.Minute)
	if _, err := call(t, session, "list"); err != nil {
		t.Error(err)
	}
	w.wantLogins(t, 0)
}

// TestConfig: the error contains the missing setting.
func TestConfig(t *testing.T) {
	_, err := mcpauth.New(mcpauth.Config{Endpoint: "http://mcp.example/mcp", Client: &registration.Document{ClientID: "http://x"}})
	for _, want := range []string{"Config.Trusted", "Config.Client", "Config.Endpoint"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, expected %s", err, want)
		}
	}
	if _, err := mcpauth.New(mcpauth.Config{}); err == nil || !strings.Contains(err.Error(), "Config.Registered") {
		t.Error(err)
	}
}
