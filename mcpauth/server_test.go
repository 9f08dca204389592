package mcpauth_test

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/countersign/countersign/client/registration"
	"github.com/countersign/countersign/discovery"
	"github.com/countersign/countersign/discovery/issuertest"
	"github.com/countersign/countersign/mcpauth"
	"github.com/countersign/countersign/rs"
)

// world is an authorization server, an MCP server, and a user with a browser.
type world struct {
	issuer   *issuertest.Issuer
	url      string // of the MCP server
	meta     *rs.Metadata
	api      *rs.Protection
	tools    map[string][]string
	stateful bool

	logins  atomic.Int32 // the pages that the browser got
	called  atomic.Int32 // tools that ran
	mu      sync.Mutex
	handler http.Handler // instead of the MCP server, if set
}

func newWorld(t *testing.T, config issuertest.Config) *world {
	t.Helper()
	config.PlainHTTP = true
	return newWorldAt(t, issuertest.New(t, config))
}

func newWorldAt(t *testing.T, issuer *issuertest.Issuer) *world {
	t.Helper()
	w := &world{tools: map[string][]string{"list": {}, "delete": {"photos.write"}}}
	server := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) { w.serve().ServeHTTP(rw, r) }))
	t.Cleanup(server.Close)
	w.issuer, w.url = issuer, server.URL+"/mcp"
	provider := &discovery.Provider{Issuer: w.issuer.URL}
	w.meta = &rs.Metadata{Resource: w.url, AuthorizationServers: []string{w.issuer.URL}, ScopesSupported: []string{"photos.read"}}
	w.api = &rs.Protection{
		Tokens: &rs.JWT{Issuer: w.issuer.URL, Audience: w.url, Keys: provider.Keys(), Now: w.issuer.Now}, Now: w.issuer.Now,
		ResourceMetadata: w.meta.URL(), Scopes: []string{"photos.read"}, Logger: slog.New(slog.DiscardHandler),
	}
	return w
}

func (w *world) origin() string { return strings.TrimSuffix(w.url, "/mcp") }

func (w *world) serve() http.Handler {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.handler == nil {
		w.handler = w.routes()
	}
	return w.handler
}

func (w *world) replace(h http.Handler) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.handler = h
}

func (w *world) routes() http.Handler {
	s := mcp.NewServer(&mcp.Implementation{Name: "photos", Version: "1"}, nil)
	for name := range w.tools {
		mcp.AddTool(s, &mcp.Tool{Name: name}, w.tool)
	}
	sdk := mcp.NewStreamableHTTPHandler(func(*http.Request) *mcp.Server { return s }, &mcp.StreamableHTTPOptions{Stateless: !w.stateful})
	mux := http.NewServeMux()
	mux.Handle(w.meta.Path(), w.meta)
	mux.Handle("/mcp", w.api.Handler(mcpauth.Tools(w.tools)(mcpauth.Identify(sdk))))
	return mux
}

func (w *world) tool(_ context.Context, r *mcp.CallToolRequest, _ struct{}) (*mcp.CallToolResult, any, error) {
	w.called.Add(1)
	who, err := mcpauth.Caller(r.Extra)
	if err != nil {
		return nil, nil, err
	}
	text := fmt.Sprintf("%s for %s with %s", r.Params.Name, who.Subject, strings.Join(who.Scopes, " "))
	return &mcp.CallToolResult{Content: []mcp.Content{&mcp.TextContent{Text: text}}}, nil, nil
}

// config is the configuration of an application on the user's machine.
func (w *world) config() mcpauth.Config {
	return mcpauth.Config{
		Trusted: func(_ context.Context, issuer string) bool { return issuer == w.issuer.URL },
		Open:    w.browser, Now: w.issuer.Now,
		Client: &registration.Document{Metadata: registration.Metadata{ClientName: "agent"}},
	}
}

func newHandler(t *testing.T, config mcpauth.Config) *mcpauth.Handler {
	t.Helper()
	h, err := mcpauth.New(config)
	if err != nil {
		t.Fatal(err)
	}
	return h
}

// browser follows the redirects of a login to the application's port.
func (w *world) browser(ctx context.Context, address string) error {
	w.logins.Add(1)
	r, err := http.NewRequestWithContext(ctx, "GET", address, nil)
	if err != nil {
		return err
	}
	resp, err := http.DefaultClient.Do(r)
	if err == nil {
		resp.Body.Close()
	}
	return err
}

// connect opens a session with the handler's HTTP client.
func connect(t *testing.T, w *world, h *mcpauth.Handler) *mcp.ClientSession {
	t.Helper()
	session, err := tryConnect(t, &mcp.StreamableClientTransport{Endpoint: w.url, OAuthHandler: h, HTTPClient: h.HTTPClient(), DisableStandaloneSSE: true})
	if err != nil {
		t.Fatal(err)
	}
	return session
}

func tryConnect(t *testing.T, transport *mcp.StreamableClientTransport) (*mcp.ClientSession, error) {
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	t.Cleanup(cancel)
	session, err := mcp.NewClient(&mcp.Implementation{Name: "test", Version: "1"}, nil).Connect(ctx, transport, nil)
	if err == nil {
		t.Cleanup(func() { session.Close() })
	}
	return session, err
}

func call(t *testing.T, session *mcp.ClientSession, tool string) (string, error) {
	t.Helper()
	result, err := session.CallTool(t.Context(), &mcp.CallToolParams{Name: tool, Arguments: map[string]any{}})
	if err != nil {
		return "", err
	}
	return result.Content[0].(*mcp.TextContent).Text, nil
}

func mustCall(t *testing.T, session *mcp.ClientSession, tool, want string) {
	t.Helper()
	if got, err := call(t, session, tool); err != nil || got != want {
		t.Errorf("%s: %q, %v, want %q", tool, got, err, want)
	}
}

func (w *world) wantLogins(t *testing.T, want int32) {
	t.Helper()
	if got := w.logins.Load(); got != want {
		t.Errorf("%d logins, want %d", got, want)
	}
}

// forms are the parameters of the requests to an endpoint.
func (w *world) forms(e issuertest.Endpoint) (all []url.Values) {
	for _, x := range w.issuer.Exchanges(e) {
		form, _ := url.ParseQuery(string(x.RequestBody))
		all = append(all, form)
	}
	return all
}

// post sends a message to the MCP server with a token.
func (w *world) post(t *testing.T, token, body string, header ...string) (status int, answer string, h http.Header) {
	t.Helper()
	return w.send(t, "POST", token, body, header...)
}

func (w *world) send(t *testing.T, method, token, body string, header ...string) (status int, answer string, h http.Header) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute) // a stream would not end
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, method, w.url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Accept", "application/json, text/event-stream")
	for i := 0; i < len(header); i += 2 {
		r.Header.Add(header[i], header[i+1])
	}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, _ := io.ReadAll(io.LimitReader(resp.Body, 1<<16))
	return resp.StatusCode, string(text), resp.Header
}

func (w *world) token(scopes ...string) string {
	return w.issuer.AccessToken(issuertest.AccessToken{Scopes: scopes, Audience: []string{w.url}})
}
