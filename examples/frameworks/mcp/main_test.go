package main

import (
	"context"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/modelcontextprotocol/go-sdk/auth"
	"github.com/modelcontextprotocol/go-sdk/mcp"
	"github.com/modelcontextprotocol/go-sdk/oauthex"
	"golang.org/x/oauth2"

	"github.com/countersign/countersign/client/registration"
	"github.com/countersign/countersign/discovery"
	"github.com/countersign/countersign/discovery/issuertest"
	"github.com/countersign/countersign/internal/optest"
	"github.com/countersign/countersign/mcpauth"
	"github.com/countersign/countersign/rs"
)

// start starts the server and returns its address, which is also its identifier.
func start(t *testing.T, s *optest.Server, sessions bool) (resource string) {
	return startAt(t, s.URL, sessions)
}

// TestAnswers: the responses to a client without a token, or with a wrong one.
func TestAnswers(t *testing.T) {
	s := optest.New(t)
	resource := start(t, s, true)
	metadata := `resource_metadata="` + strings.TrimSuffix(resource, "/mcp") + `/.well-known/oauth-protected-resource/mcp"`
	for _, test := range []struct {
		name, token string
		status      int
		challenge   string
	}{
		{"no token", "", 401, `Bearer scope="photos.read", ` + metadata},
		{"for another server", s.AccessToken(nil, nil), 401, `Bearer error="invalid_token", error_description="the access token is not valid here", scope="photos.read", ` + metadata},
		{"no scope", s.AccessToken(map[string]any{"aud": resource, "scope": "x"}, nil), 403, `Bearer error="insufficient_scope", error_description="the access token lacks a scope: required photos.read, granted x", scope="photos.read", ` + metadata},
	} {
		r, _ := http.NewRequestWithContext(t.Context(), "POST", resource, strings.NewReader(`{}`))
		if test.token != "" {
			r.Header.Set("Authorization", "Bearer "+test.token)
		}
		resp, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != test.status || resp.Header.Get("WWW-Authenticate") != test.challenge {
			t.Errorf("%s: %d %q", test.name, resp.StatusCode, resp.Header.Get("WWW-Authenticate"))
		}
	}
}

// TestClients: an application with package mcpauth, and the SDK's own client, find the server
// through the challenge and the metadata. They get a token and call tools, with sessions and
// without.
func TestClients(t *testing.T) {
	for _, sessions := range []bool{false, true} {
		s := issuertest.New(t, issuertest.Config{PlainHTTP: true})
		resource := startAt(t, s.URL, sessions)
		h, err := mcpauth.New(mcpauth.Config{
			Trusted: func(_ context.Context, issuer string) bool { return issuer == s.URL },
			Open:    func(ctx context.Context, address string) error { _, err := follow(ctx, address); return err },
			Client:  &registration.Document{Metadata: registration.Metadata{ClientName: "test"}},
		})
		if err != nil {
			t.Fatal(err)
		}
		session := connect(t, &mcp.StreamableClientTransport{Endpoint: resource, OAuthHandler: h, HTTPClient: h.HTTPClient(), DisableStandaloneSSE: true})
		if got := call(t, session, "list"); got != "the photos of alice" {
			t.Error(got)
		}
		if got := call(t, session, "delete"); got != "deleted those of alice" { // after a login for more scope
			t.Error(got)
		}
	}

	s := optest.New(t)
	resource := start(t, s, false)
	s.Edit = func(m map[string]any) {
		m["code_challenge_methods_supported"] = []string{"S256"}
		m["token_endpoint_auth_methods_supported"] = []string{"client_secret_basic"}
	}
	s.Token = func(m map[string]any) {
		m["access_token"] = s.AccessToken(map[string]any{"aud": resource, "scope": "photos.read"}, nil)
	}
	session := connect(t, &mcp.StreamableClientTransport{Endpoint: resource, OAuthHandler: authorize(t), DisableStandaloneSSE: true})
	if got := call(t, session, "list"); got != "the photos of alice" {
		t.Error(got)
	}
	if _, err := session.CallTool(t.Context(), &mcp.CallToolParams{Name: "delete"}); err == nil {
		t.Error("a token without photos.write deletes")
	}
}

// startAt is start with another issuer.
func startAt(t *testing.T, issuer string, sessions bool) (resource string) {
	var h http.Handler
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { h.ServeHTTP(w, r) }))
	t.Cleanup(server.Close)
	resource = server.URL + "/mcp"
	h = routes(&rs.JWT{Issuer: issuer, Audience: resource, Keys: (&discovery.Provider{Issuer: issuer}).Keys()}, issuer, resource, sessions)
	return resource
}

// follow is a browser that follows redirects.
func follow(ctx context.Context, address string) (status int, err error) {
	r, err := http.NewRequestWithContext(ctx, "GET", address, nil)
	if err != nil {
		return 0, err
	}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		return 0, err
	}
	resp.Body.Close()
	return resp.StatusCode, nil
}

// TestStolenSession: a session can be used only by the user who began it.
func TestStolenSession(t *testing.T) {
	s := optest.New(t)
	resource := start(t, s, true)
	alice := holder(s.AccessToken(map[string]any{"aud": resource}, nil))
	session := connect(t, &mcp.StreamableClientTransport{Endpoint: resource, OAuthHandler: alice, DisableStandaloneSSE: true})
	if got := call(t, session, "list"); got != "the photos of alice" {
		t.Error(got)
	}
	r, _ := http.NewRequestWithContext(t.Context(), "POST", resource, strings.NewReader(`{"jsonrpc":"2.0","id":9,"method":"tools/list"}`))
	r.Header = http.Header{
		"Authorization": {"Bearer " + s.AccessToken(map[string]any{"aud": resource, "sub": "mallory"}, nil)}, "Mcp-Session-Id": {session.ID()},
		"Content-Type": {"application/json"}, "Accept": {"application/json, text/event-stream"},
	}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if session.ID() == "" || resp.StatusCode != http.StatusForbidden {
		t.Errorf("session %q: %d", session.ID(), resp.StatusCode)
	}
}

// TestGuarded: the guard of the tools, with sessions and without, and the metadata for a client in
// a browser.
func TestGuarded(t *testing.T) {
	for _, sessions := range []bool{false, true} {
		s := optest.New(t)
		resource := start(t, s, sessions)
		send := func(method, address, body string) *http.Response {
			r, _ := http.NewRequestWithContext(t.Context(), method, address, strings.NewReader(body))
			r.Header = http.Header{
				"Authorization": {"Bearer " + s.AccessToken(map[string]any{"aud": resource, "scope": "photos.read"}, nil)},
				"Content-Type":  {"application/json"}, "Accept": {"application/json, text/event-stream"}, "Origin": {"https://agent.example"},
			}
			resp, err := http.DefaultClient.Do(r)
			if err != nil {
				t.Fatal(err)
			}
			resp.Body.Close()
			return resp
		}
		for params, want := range map[string]int{
			`{"name":"list","Name":"delete"}`: 400, `{"name":"list","name":"delete"}`: 400, `{"name":"delete"}`: 403, `{"name":"drop"}`: 403,
		} {
			resp := send("POST", resource, `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":`+params+`}`)
			if resp.StatusCode != want {
				t.Errorf("sessions %t, %s: %d, want %d", sessions, params, resp.StatusCode, want)
			}
			if challenge := resp.Header.Get("WWW-Authenticate"); params == `{"name":"delete"}` &&
				(!strings.Contains(challenge, `scope="photos.read photos.write"`) || !strings.Contains(challenge, "resource_metadata=")) {
				t.Errorf("sessions %t: %s", sessions, challenge)
			}
		}
		metadata := strings.TrimSuffix(resource, "/mcp") + "/.well-known/oauth-protected-resource/mcp"
		for method, want := range map[string]int{"OPTIONS": 204, "GET": 200} {
			if resp := send(method, metadata, ""); resp.StatusCode != want || resp.Header.Get("Access-Control-Allow-Origin") != "*" {
				t.Errorf("%s: %d, %q", method, resp.StatusCode, resp.Header.Get("Access-Control-Allow-Origin"))
			}
		}
	}
}

func connect(t *testing.T, transport *mcp.StreamableClientTransport) *mcp.ClientSession {
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	t.Cleanup(cancel)
	client := mcp.NewClient(&mcp.Implementation{Name: "test", Version: "1"}, nil)
	session, err := client.Connect(ctx, transport, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { session.Close() })
	return session
}

func call(t *testing.T, session *mcp.ClientSession, tool string) string {
	result, err := session.CallTool(t.Context(), &mcp.CallToolParams{Name: tool})
	if err != nil {
		t.Fatal(err)
	}
	text := result.Content[0].(*mcp.TextContent).Text
	if result.IsError {
		return "error: " + text
	}
	return text
}

// holder returns a fixed token.
type holder string

func (h holder) TokenSource(context.Context) (oauth2.TokenSource, error) {
	return oauth2.StaticTokenSource(&oauth2.Token{AccessToken: string(h)}), nil
}

func (h holder) Authorize(context.Context, *http.Request, *http.Response) error {
	return auth.ErrInvalidToken
}

// authorize is the SDK's login, with a browser that follows redirects.
func authorize(t *testing.T) auth.OAuthHandler {
	h, err := auth.NewAuthorizationCodeHandler(&auth.AuthorizationCodeHandlerConfig{
		PreregisteredClient: &oauthex.ClientCredentials{
			ClientID: optest.ClientID, ClientSecretAuth: &oauthex.ClientSecretAuth{ClientSecret: optest.ClientSecret},
		},
		RedirectURL: optest.RedirectURL,
		AuthorizationCodeFetcher: func(ctx context.Context, args *auth.AuthorizationArgs) (*auth.AuthorizationResult, error) {
			return visit(ctx, args.URL)
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	return h
}

func visit(ctx context.Context, address string) (*auth.AuthorizationResult, error) {
	r, err := http.NewRequestWithContext(ctx, "GET", address, nil)
	if err != nil {
		return nil, err
	}
	resp, err := http.DefaultTransport.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	resp.Body.Close()
	back, err := url.Parse(resp.Header.Get("Location"))
	if err != nil {
		return nil, err
	}
	q := back.Query()
	return &auth.AuthorizationResult{Code: q.Get("code"), State: q.Get("state"), Iss: q.Get("iss")}, nil
}
