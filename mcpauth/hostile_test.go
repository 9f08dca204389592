package mcpauth_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/countersign/countersign/discovery/issuertest"
)

// hostile replaces the MCP server: every request gets the challenge, and the metadata is
// document.
func (w *world) hostile(challenge string, document func() any) {
	w.replace(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		if r.URL.Path == w.meta.Path() {
			rw.Header().Set("Content-Type", "application/json")
			json.NewEncoder(rw).Encode(document())
			return
		}
		rw.Header().Set("WWW-Authenticate", "Bearer "+challenge)
		rw.WriteHeader(http.StatusUnauthorized)
	}))
}

func (w *world) document(more map[string]any) map[string]any {
	out := map[string]any{"resource": w.url, "authorization_servers": []string{w.issuer.URL}}
	for name, value := range more {
		out[name] = value
	}
	return out
}

func words(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "s%d ", i)
	}
	return strings.TrimSpace(b.String())
}

// TestScopeFlood: very many scopes, or very long ones, are not requested. No user can decide about
// them, and browsers reject such an address. A challenge of more than 4 KiB is not read.
func TestScopeFlood(t *testing.T) {
	for name, supported := range map[string][]string{
		"many": strings.Fields(words(1900)), "one that is long": {strings.Repeat("s", 500_000)},
		"a few that are long": {strings.Repeat("a", 3000), strings.Repeat("b", 3000), strings.Repeat("c", 3000)},
	} {
		w := newWorld(t, issuertest.Config{})
		w.hostile(`resource_metadata="`+w.meta.URL()+`"`, func() any { return w.document(map[string]any{"scopes_supported": supported}) })
		h := newHandler(t, w.config())
		_, err := tryConnect(t, &mcp.StreamableClientTransport{Endpoint: w.url, OAuthHandler: h, HTTPClient: h.HTTPClient()})
		if err == nil || !strings.Contains(err.Error(), "scopes") || len(err.Error()) > 4096 || w.logins.Load() != 0 {
			t.Errorf("%s: %d logins, %.300v", name, w.logins.Load(), err)
		}
	}
}

// TestServerFlood: the user is asked about each authorization server once, and about a few only.
func TestServerFlood(t *testing.T) {
	w := newWorld(t, issuertest.Config{})
	var servers []string
	for i := range 900 {
		servers = append(servers, "https://evil.example", fmt.Sprintf("https://evil%d.example", i))
	}
	w.hostile(`resource_metadata="`+w.meta.URL()+`"`, func() any { return w.document(map[string]any{"authorization_servers": servers}) })
	asked := map[string]int{}
	config := w.config()
	config.Trusted = func(_ context.Context, issuer string) bool { asked[issuer]++; return false }
	h := newHandler(t, config)
	if _, err := tryConnect(t, &mcp.StreamableClientTransport{Endpoint: w.url, OAuthHandler: h, HTTPClient: h.HTTPClient()}); err == nil {
		t.Error("connected")
	}
	if len(asked) > 10 || len(asked) == 0 {
		t.Errorf("asked about %d servers", len(asked))
	}
	for issuer, n := range asked {
		if n != 1 {
			t.Errorf("%s: asked %d times", issuer, n)
		}
	}
}
