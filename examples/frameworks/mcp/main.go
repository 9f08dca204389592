// Mcp is an MCP server over HTTP that takes access tokens. A client that has none learns
// from the challenge where the server's metadata is (RFC 9728), and from that which
// authorization server to go to.
//
//	ISSUER     the authorization server
//	RESOURCE   this server's identifier and address: https://mcp.example.com/mcp
//	LISTEN     where it listens; 127.0.0.1:8082 if it is not set
package main

import (
	"cmp"
	"context"
	"fmt"
	"log"
	"net/http"
	"net/url"
	"os"
	"time"

	"github.com/modelcontextprotocol/go-sdk/auth"
	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/countersign/countersign/discovery"
	"github.com/countersign/countersign/rs"
)

func main() {
	issuer, resource := os.Getenv("ISSUER"), os.Getenv("RESOURCE")
	provider := &discovery.Provider{Issuer: issuer}
	server := &http.Server{
		Addr:              cmp.Or(os.Getenv("LISTEN"), "127.0.0.1:8082"),
		Handler:           routes(&rs.JWT{Issuer: issuer, Audience: resource, Keys: provider.Keys()}, issuer, resource),
		ReadHeaderTimeout: 5 * time.Second,
	}
	log.Printf("listening on %s", server.Addr)
	log.Fatal(server.ListenAndServe())
}

// routes serves the metadata to everybody, and MCP to who has a token.
func routes(tokens rs.Verifier, issuer, resource string) http.Handler {
	meta := &rs.Metadata{
		Resource:             resource,
		AuthorizationServers: []string{issuer},
		ScopesSupported:      []string{"photos.read", "photos.write"},
	}
	api := &rs.Protection{Tokens: tokens, Scopes: []string{"photos.read"}, ResourceMetadata: meta.URL()}
	tools := mcp.NewStreamableHTTPHandler(func(*http.Request) *mcp.Server { return newServer() }, nil)

	mux := http.NewServeMux()
	mux.Handle(meta.Path(), meta)
	mux.Handle(path(resource), api.Handler(rs.RequireScope("photos.read")(introduce(tools))))
	return mux
}

// introduce tells the SDK who calls. It binds a session to that user, and gives them to
// the tools, which do not see the request's context.
var introduce = auth.RequireBearerToken(func(ctx context.Context, _ string, _ *http.Request) (*auth.TokenInfo, error) {
	who, ok := rs.FromContext(ctx)
	if !ok {
		return nil, auth.ErrInvalidToken
	}
	return &auth.TokenInfo{
		UserID:     who.Issuer + " " + who.Subject,
		Scopes:     who.Scopes,
		Expiration: who.Expiry,
		Extra:      map[string]any{"principal": who},
	}, nil
}, &auth.RequireBearerTokenOptions{AllowMissingExpiration: true, ClockSkew: time.Minute})

// caller is who calls a tool.
func caller(r *mcp.CallToolRequest) (*rs.Principal, error) {
	if r.Extra != nil && r.Extra.TokenInfo != nil {
		if who, ok := r.Extra.TokenInfo.Extra["principal"].(*rs.Principal); ok {
			return who, nil
		}
	}
	return nil, fmt.Errorf("no caller")
}

type nothing struct{}

// newServer has two tools, one of which needs a scope of its own.
func newServer() *mcp.Server {
	s := mcp.NewServer(&mcp.Implementation{Name: "photos", Version: "1"}, nil)
	mcp.AddTool(s, &mcp.Tool{Name: "list", Description: "the caller's photos"}, tool("", "the photos of %s"))
	mcp.AddTool(s, &mcp.Tool{Name: "delete", Description: "deletes them"}, tool("photos.write", "deleted those of %s"))
	return s
}

func tool(scope, format string) mcp.ToolHandlerFor[nothing, any] {
	return func(_ context.Context, r *mcp.CallToolRequest, _ nothing) (*mcp.CallToolResult, any, error) {
		who, err := caller(r)
		switch {
		case err != nil:
			return nil, nil, err
		case scope != "" && !who.HasScope(scope):
			return nil, nil, fmt.Errorf("the access token lacks the scope %s", scope)
		}
		return &mcp.CallToolResult{Content: []mcp.Content{&mcp.TextContent{Text: fmt.Sprintf(format, who.Subject)}}}, nil, nil
	}
}

// path is where the resource is on this server.
func path(resource string) string {
	u, err := url.Parse(resource)
	if err != nil || u.Path == "" {
		return "/"
	}
	return u.Path
}
