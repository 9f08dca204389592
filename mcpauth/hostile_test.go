package mcpauth_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

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

// TestIssuerLoop: an MCP server that names two authorization servers in turn, and rejects every
// token, causes five logins.
func TestIssuerLoop(t *testing.T) {
	w, other := newWorld(t, issuertest.Config{}), issuertest.New(t, issuertest.Config{PlainHTTP: true})
	fetched := 0
	w.hostile(`resource_metadata="`+w.meta.URL()+`"`, func() any {
		fetched++
		return w.document(map[string]any{"authorization_servers": []string{[]string{w.issuer.URL, other.URL}[fetched%2]}})
	})
	config := w.config()
	config.Trusted = func(context.Context, string) bool { return true }
	h := newHandler(t, config)
	for range 12 {
		if _, err := tryConnect(t, &mcp.StreamableClientTransport{Endpoint: w.url, OAuthHandler: h, HTTPClient: h.HTTPClient()}); err == nil {
			t.Fatal("connected")
		}
		w.issuer.Advance(6 * time.Second) // a failure is remembered for five
	}
	if n := w.logins.Load(); n == 0 || n > 5 {
		t.Errorf("%d logins", n)
	}
}

// TestHostileMetadata: no login follows metadata that redirects, is too large, or is no metadata.
func TestHostileMetadata(t *testing.T) {
	for name, answer := range map[string]func(w *world, rw http.ResponseWriter, r *http.Request){
		"redirect": func(w *world, rw http.ResponseWriter, r *http.Request) {
			http.Redirect(rw, r, w.origin()+"/elsewhere", http.StatusTemporaryRedirect)
		},
		"large": func(w *world, rw http.ResponseWriter, _ *http.Request) {
			json.NewEncoder(rw).Encode(w.document(map[string]any{"x": strings.Repeat("x", 2<<20)}))
		},
		"another resource": func(w *world, rw http.ResponseWriter, _ *http.Request) {
			json.NewEncoder(rw).Encode(w.document(map[string]any{"resource": w.origin() + "/other"}))
		},
		"resource twice": func(w *world, rw http.ResponseWriter, _ *http.Request) {
			fmt.Fprintf(rw, `{"resource":"https://other.example","resource":%q,"authorization_servers":[%q]}`, w.url, w.issuer.URL)
		},
		"Resource": func(w *world, rw http.ResponseWriter, _ *http.Request) {
			fmt.Fprintf(rw, `{"Resource":%q,"authorization_servers":[%q]}`, w.url, w.issuer.URL)
		},
		"no server": func(w *world, rw http.ResponseWriter, _ *http.Request) {
			json.NewEncoder(rw).Encode(w.document(map[string]any{"authorization_servers": []string{}}))
		},
		"a server with a query": func(w *world, rw http.ResponseWriter, _ *http.Request) {
			json.NewEncoder(rw).Encode(w.document(map[string]any{"authorization_servers": []string{w.issuer.URL + "?x=1"}}))
		},
		"a server that is the API": func(w *world, rw http.ResponseWriter, _ *http.Request) {
			json.NewEncoder(rw).Encode(w.document(map[string]any{"authorization_servers": []string{w.url}}))
		},
		"a server that is no URL": func(w *world, rw http.ResponseWriter, _ *http.Request) {
			json.NewEncoder(rw).Encode(w.document(map[string]any{"authorization_servers": []string{"javascript:alert(1)", "file:///etc/passwd"}}))
		},
		"a deep document": func(w *world, rw http.ResponseWriter, _ *http.Request) {
			fmt.Fprintf(rw, `{"resource":%q,"authorization_servers":[%q],"x":%s}`, w.url, w.issuer.URL, strings.Repeat("[", 1000)+strings.Repeat("]", 1000))
		},
	} {
		w := newWorld(t, issuertest.Config{})
		elsewhere := 0
		w.replace(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
			switch r.URL.Path {
			case "/elsewhere":
				elsewhere++
			case w.meta.Path():
				rw.Header().Set("Content-Type", "application/json")
				answer(w, rw, r)
			default:
				rw.Header().Set("WWW-Authenticate", `Bearer resource_metadata="`+w.meta.URL()+`"`)
				rw.WriteHeader(http.StatusUnauthorized)
			}
		}))
		config := w.config()
		config.Trusted = func(context.Context, string) bool { return true }
		h := newHandler(t, config)
		_, err := tryConnect(t, &mcp.StreamableClientTransport{Endpoint: w.url, OAuthHandler: h, HTTPClient: h.HTTPClient()})
		if err == nil || w.logins.Load() != 0 || elsewhere != 0 || len(err.Error()) > 2048 {
			t.Errorf("%s: %d logins, %d requests elsewhere, %v", name, w.logins.Load(), elsewhere, err)
		}
	}
}

// TestSilentServer: a caller that stops waiting is not held by a server that never answers.
func TestSilentServer(t *testing.T) {
	w := newWorld(t, issuertest.Config{})
	asked, done := make(chan struct{}, 10), make(chan struct{})
	t.Cleanup(func() { close(done) })
	w.replace(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		if r.URL.Path == w.meta.Path() {
			asked <- struct{}{}
			<-done
			return
		}
		rw.Header().Set("WWW-Authenticate", `Bearer resource_metadata="`+w.meta.URL()+`"`)
		rw.WriteHeader(http.StatusUnauthorized)
	}))
	h := newHandler(t, w.config())
	ctx, cancel := context.WithCancel(t.Context())
	go func() { <-asked; cancel() }()
	c := mcp.NewClient(&mcp.Implementation{Name: "test", Version: "1"}, nil)
	if _, err := c.Connect(ctx, &mcp.StreamableClientTransport{Endpoint: w.url, OAuthHandler: h, HTTPClient: h.HTTPClient()}, nil); err == nil {
		t.Error("connected")
	}
}
