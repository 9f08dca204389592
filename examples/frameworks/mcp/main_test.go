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

	"github.com/countersign/countersign/discovery"
	"github.com/countersign/countersign/internal/optest"
	"github.com/countersign/countersign/rs"
)

// start gives the server's address, which is its identifier too.
func start(t *testing.T, s *optest.Server) (resource string) {
	var h http.Handler
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { h.ServeHTTP(w, r) }))
	t.Cleanup(server.Close)
	resource = server.URL + "/mcp"
	keys := (&discovery.Provider{Issuer: s.URL}).Keys()
	h = routes(&rs.JWT{Issuer: s.URL, Audience: resource, Keys: keys}, s.URL, resource)
	return resource
}

// TestAnswers: what a client is told that has no token, or not the right one.
func TestAnswers(t *testing.T) {
	s := optest.New(t)
	resource := start(t, s)
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

// TestSession: the SDK's own client finds its way by the challenge and the metadata to a
// token, and calls tools with it.
func TestSession(t *testing.T) {
	s := optest.New(t)
	resource := start(t, s)
	s.Edit = func(m map[string]any) {
		m["code_challenge_methods_supported"] = []string{"S256"}
		m["token_endpoint_auth_methods_supported"] = []string{"client_secret_basic"}
	}
	s.Token = func(m map[string]any) {
		m["access_token"] = s.AccessToken(map[string]any{"aud": resource, "scope": "photos.read"}, nil)
	}
	session := connect(t, resource, authorize(t))
	if n := s.Hits("/token"); n != 1 {
		t.Errorf("%d tokens", n)
	}
	if got := call(t, session, "list"); got != "the photos of alice" {
		t.Error(got)
	}
	if got := call(t, session, "delete"); got != "error: the access token lacks the scope photos.write" {
		t.Error(got)
	}
}

// TestStolenSession: a session is the user's who began it.
func TestStolenSession(t *testing.T) {
	s := optest.New(t)
	resource := start(t, s)
	alice := holder(s.AccessToken(map[string]any{"aud": resource}, nil))
	session := connect(t, resource, alice)
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

func connect(t *testing.T, resource string, how auth.OAuthHandler) *mcp.ClientSession {
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	t.Cleanup(cancel)
	client := mcp.NewClient(&mcp.Implementation{Name: "test", Version: "1"}, nil)
	session, err := client.Connect(ctx, &mcp.StreamableClientTransport{Endpoint: resource, OAuthHandler: how, DisableStandaloneSSE: true}, nil)
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

// holder has a token already.
type holder string

func (h holder) TokenSource(context.Context) (oauth2.TokenSource, error) {
	return oauth2.StaticTokenSource(&oauth2.Token{AccessToken: string(h)}), nil
}

func (h holder) Authorize(context.Context, *http.Request, *http.Response) error {
	return auth.ErrInvalidToken
}

// authorize is the SDK's login, with a browser that goes where it is sent.
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
