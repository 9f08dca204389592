package mcpauth_test

import (
	"context"
	"encoding/json"
	"errors"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
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
	"github.com/countersign/countersign/client/tokens"
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

// TestResourceInRefresh: every token request contains the MCP server as resource (RFC 8707).
func TestResourceInRefresh(t *testing.T) {
	w := newWorld(t, issuertest.Config{})
	session := connect(t, w, newHandler(t, w.config()))
	w.issuer.Advance(6 * time.Minute)
	mustCall(t, session, "list", "list for alice with photos.read offline_access")
	forms := w.forms(issuertest.TokenEndpoint)
	if len(forms) != 2 || forms[1].Get("grant_type") != "refresh_token" {
		t.Fatalf("%d token requests", len(forms))
	}
	for _, form := range forms {
		if form.Get("resource") != w.url {
			t.Errorf("%s: resource is %q", form.Get("grant_type"), form.Get("resource"))
		}
	}
	w.wantLogins(t, 1)
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

// TestNoRefreshToken: an expired token without a refresh token leads to a login.
func TestNoRefreshToken(t *testing.T) {
	w := newWorldAt(t, withoutRefreshTokens(t))
	session := connect(t, w, newHandler(t, w.config()))
	w.issuer.Advance(6 * time.Minute)
	mustCall(t, session, "list", "list for alice with photos.read offline_access")
	for _, form := range w.forms(issuertest.TokenEndpoint) {
		if got := form.Get("grant_type"); got != "authorization_code" {
			t.Errorf("a request with the grant %s", got)
		}
	}
	w.wantLogins(t, 2)
}

// withoutRefreshTokens is an issuer that issues none.
func withoutRefreshTokens(t *testing.T) *issuertest.Issuer {
	t.Helper()
	var issuer *issuertest.Issuer
	var err error
	server := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		recorder := httptest.NewRecorder()
		issuer.ServeHTTP(recorder, r)
		body := recorder.Body.Bytes()
		var answer map[string]any
		if r.URL.Path == string(issuertest.TokenEndpoint) && json.Unmarshal(body, &answer) == nil {
			delete(answer, "refresh_token")
			body, _ = json.Marshal(answer)
		}
		maps.Copy(rw.Header(), recorder.Header())
		rw.Header().Del("Content-Length")
		rw.WriteHeader(recorder.Code)
		rw.Write(body)
	}))
	t.Cleanup(server.Close)
	issuer, err = issuertest.NewHandler(issuertest.Config{Issuer: server.URL})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(issuer.Close)
	return issuer
}

// TestRejectedRefreshToken: the server no longer accepts the refresh token.
func TestRejectedRefreshToken(t *testing.T) {
	w := newWorld(t, issuertest.Config{})
	session := connect(t, w, newHandler(t, w.config()))
	w.issuer.RevokeAll()
	w.issuer.Advance(6 * time.Minute)
	mustCall(t, session, "list", "list for alice with photos.read offline_access")
	w.wantLogins(t, 2)
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
	w.wantLogins(t, 2) // the first one, and one for all eight
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

// TestRestart: tokens and registration of the previous run are used.
func TestRestart(t *testing.T) {
	for _, dpop := range []*client.DPoP{nil, {}} {
		for _, endpoint := range []bool{false, true} {
			w := newWorld(t, issuertest.Config{})
			w.api.DPoP = &rs.DPoP{BaseURL: w.origin(), Now: w.issuer.Now}
			config := w.config()
			config.Store, config.DPoP = &store{}, dpop
			connect(t, w, newHandler(t, config))
			if endpoint {
				config.Endpoint = w.url
			}
			session := connect(t, w, newHandler(t, config))
			mustCall(t, session, "list", "list for alice with photos.read offline_access")
			w.issuer.Advance(6 * time.Minute)
			mustCall(t, connect(t, w, newHandler(t, config)), "list", "list for alice with photos.read offline_access")
			w.wantLogins(t, 1)

			config.User = "bob" // another user of the same Store
			connect(t, w, newHandler(t, config))
			w.wantLogins(t, 2)
		}
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

// TestLogout: the tokens are revoked, and the next call signs in.
func TestLogout(t *testing.T) {
	w := newWorld(t, issuertest.Config{})
	config := w.config()
	config.Store = &store{}
	h := newHandler(t, config)
	session := connect(t, w, h)
	if err := h.Logout(t.Context()); err != nil {
		t.Fatal(err)
	}
	if n := len(w.issuer.Exchanges(issuertest.RevocationEndpoint)); n != 2 {
		t.Errorf("%d revocations", n)
	}
	mustCall(t, session, "list", "list for alice with photos.read offline_access")
	w.wantLogins(t, 2)
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

// store is a Store that is used by several Handlers, with a lease for one process.
type store struct {
	tokens.LocalLeases
	mu     sync.Mutex
	values map[string][]byte
}

func (s *store) Load(_ context.Context, key string) ([]byte, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.values[key], nil
}

func (s *store) Save(_ context.Context, key string, value []byte, _ time.Time) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.values == nil {
		s.values = map[string][]byte{}
	}
	s.values[key] = value
	return nil
}

func (s *store) Delete(_ context.Context, key string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.values, key)
	return nil
}
