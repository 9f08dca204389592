package mcpauth_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/countersign/countersign/client/registration"
	"github.com/countersign/countersign/discovery"
	"github.com/countersign/countersign/mcpauth"
	"github.com/countersign/countersign/rs"
)

// Build an MCP client on the user's machine.
func ExampleNew() {
	trusted := []string{"https://login.example"}
	document := &registration.Document{
		ClientID: "https://agent.example/client.json", // serve document there
		Metadata: registration.Metadata{
			ClientName: "Agent", TokenEndpointAuthMethod: "none",
			RedirectURIs: []string{"http://127.0.0.1/callback"}, GrantTypes: []string{"authorization_code", "refresh_token"},
		},
	}
	h, err := mcpauth.New(mcpauth.Config{
		Client:  document,
		Trusted: func(_ context.Context, issuer string) bool { return slices.Contains(trusted, issuer) },
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	const server = "https://mcp.example/mcp"
	transport := &mcp.StreamableClientTransport{Endpoint: server, OAuthHandler: h, HTTPClient: h.HTTPClient()}
	session, err := mcp.NewClient(&mcp.Implementation{Name: "agent", Version: "1"}, nil).Connect(context.Background(), transport, nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer session.Close()
}

// Protect an MCP server whose tools need different scopes.
func ExampleTools() {
	const issuer, resource = "https://login.example", "https://mcp.example/mcp"
	provider := &discovery.Provider{Issuer: issuer}
	meta := &rs.Metadata{Resource: resource, AuthorizationServers: []string{issuer}, ScopesSupported: []string{"photos.read"}}
	api := &rs.Protection{
		Tokens:           &rs.JWT{Issuer: issuer, Audience: resource, Keys: provider.Keys()},
		ResourceMetadata: meta.URL(),
	}
	server := mcp.NewServer(&mcp.Implementation{Name: "photos", Version: "1"}, nil)
	sdk := mcp.NewStreamableHTTPHandler(func(*http.Request) *mcp.Server { return server }, nil)
	guard := mcpauth.Tools(map[string][]string{"list": {"photos.read"}, "delete": {"photos.write"}})

	http.Handle(meta.Path(), meta)
	http.Handle("/mcp", api.Handler(guard(mcpauth.Identify(sdk))))

	w := httptest.NewRecorder()
	http.DefaultServeMux.ServeHTTP(w, httptest.NewRequest(http.MethodPost, "/mcp", nil)) // a client without a token
	fmt.Println(w.Code, w.Header().Get("WWW-Authenticate"))
	// Output: 401 Bearer resource_metadata="https://mcp.example/.well-known/oauth-protected-resource/mcp"
}
