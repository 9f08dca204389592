package mcpauth_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/countersign/countersign/client"
	"github.com/countersign/countersign/discovery/issuertest"
	"github.com/countersign/countersign/rs"
)

// TestRootMetadata: the metadata is at the well-known path without the path of the MCP server.
// Its resource is the MCP server, or its origin.
func TestRootMetadata(t *testing.T) {
	for _, name := range []string{"endpoint", "origin"} {
		w := newWorld(t, issuertest.Config{})
		inner := w.serve()
		resource := w.url
		if name == "origin" {
			resource = w.origin()
			w.api.Tokens.(*rs.JWT).Audience = resource
		}
		document := &rs.Metadata{Resource: resource, AuthorizationServers: []string{w.issuer.URL}}
		w.api.ResourceMetadata = "" // the challenge does not contain the address of the metadata
		w.replace(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
			switch r.URL.Path {
			case "/.well-known/oauth-protected-resource":
				document.ServeHTTP(rw, r)
			case "/mcp":
				inner.ServeHTTP(rw, r)
			default:
				http.NotFound(rw, r)
			}
		}))
		mustCall(t, connect(t, w, newHandler(t, w.config())), "list", "list for alice with photos.read offline_access")
		if got := w.forms(issuertest.TokenEndpoint)[0].Get("resource"); got != resource {
			t.Errorf("%s: resource is %q", name, got)
		}
	}
}

// TestForeignMetadata: metadata of another resource is rejected.
func TestForeignMetadata(t *testing.T) {
	for _, resource := range []string{"https://other.example/mcp", "/other", "/mcp/", "/mc"} {
		w := newWorld(t, issuertest.Config{})
		if strings.HasPrefix(resource, "/") {
			resource = w.origin() + resource
		}
		inner, document := w.serve(), &rs.Metadata{Resource: resource, AuthorizationServers: []string{w.issuer.URL}}
		w.replace(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
			if strings.HasPrefix(r.URL.Path, "/.well-known/") {
				document.ServeHTTP(rw, r)
				return
			}
			inner.ServeHTTP(rw, r)
		}))
		h := newHandler(t, w.config())
		_, err := tryConnect(t, &mcp.StreamableClientTransport{Endpoint: w.url, OAuthHandler: h, HTTPClient: h.HTTPClient()})
		if err == nil || !strings.Contains(err.Error(), "the metadata is of resource") {
			t.Errorf("%s: %v", resource, err)
		}
		w.wantLogins(t, 0)
	}
}

// TestForeignIss: an error response with the iss of another server is rejected.
func TestForeignIss(t *testing.T) {
	w := newWorld(t, issuertest.Config{})
	config := w.config()
	config.Client.Metadata.RedirectURIs = []string{"https://agent.example/callback"}
	for _, iss := range []string{"https://attacker.example", ""} {
		config.Callback = func(_ context.Context, address string) (*url.URL, error) {
			u, err := url.Parse(address)
			if err != nil {
				return nil, err
			}
			back := url.Values{"error": {"access_denied"}, "state": {u.Query().Get("state")}, "iss": {iss}}
			return url.Parse("https://agent.example/callback?" + back.Encode())
		}
		h := newHandler(t, config)
		_, err := tryConnect(t, &mcp.StreamableClientTransport{Endpoint: w.url, OAuthHandler: h, HTTPClient: h.HTTPClient()})
		var answer *client.CallbackError
		if err == nil || errors.As(err, &answer) || !strings.Contains(err.Error(), "iss") {
			t.Errorf("iss %q: %v", iss, err)
		}
	}
}

// TestUntrusted: no request reaches a server that the application does not trust.
func TestUntrusted(t *testing.T) {
	w := newWorld(t, issuertest.Config{})
	config := w.config()
	var asked []string
	config.Trusted = func(_ context.Context, issuer string) bool { asked = append(asked, issuer); return false }
	h := newHandler(t, config)
	if _, err := tryConnect(t, &mcp.StreamableClientTransport{Endpoint: w.url, OAuthHandler: h, HTTPClient: h.HTTPClient()}); err == nil {
		t.Error("connected")
	}
	if !slices.Contains(asked, w.issuer.URL) || len(w.issuer.Exchanges("")) != 0 {
		t.Errorf("asked about %v, %d requests", asked, len(w.issuer.Exchanges("")))
	}
}

// TestOneServer: a Handler sends its token to no other URL, and follows no redirect.
func TestOneServer(t *testing.T) {
	w := newWorld(t, issuertest.Config{})
	h := newHandler(t, w.config())
	connect(t, w, h)
	var seen atomic.Int32
	other := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "" {
			seen.Add(1)
		}
	}))
	defer other.Close()
	if _, err := h.HTTPClient().Get(other.URL + "/mcp"); err == nil || !strings.Contains(err.Error(), "create a Handler for each MCP server") {
		t.Errorf("%v", err)
	}
	w.replace(http.RedirectHandler(other.URL+"/mcp", http.StatusTemporaryRedirect))
	resp, err := h.HTTPClient().Post(w.url, "application/json", strings.NewReader("{}"))
	if err != nil || resp.StatusCode != http.StatusTemporaryRedirect {
		t.Errorf("%v", err)
	}
	resp.Body.Close()
	if seen.Load() != 0 {
		t.Error("a token reached another server")
	}
}

// TestMigration: the MCP server changes its authorization server. No credential of the old one
// reaches the new one.
func TestMigration(t *testing.T) {
	w := newWorld(t, issuertest.Config{})
	other := newWorld(t, issuertest.Config{})
	config := w.config()
	config.Trusted = func(context.Context, string) bool { return true }
	session := connect(t, w, newHandler(t, config))
	old := w.issuer.Clients()
	w.issuer.RevokeAll()
	w.meta.AuthorizationServers = []string{other.issuer.URL}
	w.api.Tokens = &rs.JWT{Issuer: other.issuer.URL, Audience: w.url, Keys: other.api.Tokens.(*rs.JWT).Keys, Now: other.issuer.Now}
	mustCall(t, session, "list", "list for alice with photos.read offline_access")
	w.wantLogins(t, 2)
	for _, x := range other.issuer.Exchanges("") {
		for _, c := range old {
			if strings.Contains(x.Request.URL.RawQuery+string(x.RequestBody), c.ID) && c.ID != issuertest.ClientID {
				t.Errorf("%s has the client_id of the other server", x.Endpoint)
			}
		}
	}
}
