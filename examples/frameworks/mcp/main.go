// Mcp is an MCP server over HTTP. The challenge names the address of the server's metadata (RFC
// 9728), for a client without an access token. The metadata names the authorization server. Each
// tool needs other scopes: a client requests them when it needs them.
//
//	ISSUER     the authorization server
//	RESOURCE   this server's identifier and address: https://mcp.example.com/mcp
//	LISTEN     the address to listen on; "" means 127.0.0.1:8082
//	SESSIONS   "1" keeps sessions, for clients of MCP revisions before 2026-07-28
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

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/countersign/countersign/discovery"
	"github.com/countersign/countersign/mcpauth"
	"github.com/countersign/countersign/rs"
)

func main() {
	issuer, resource := os.Getenv("ISSUER"), os.Getenv("RESOURCE")
	provider := &discovery.Provider{Issuer: issuer}
	tokens := &rs.JWT{Issuer: issuer, Audience: resource, Keys: provider.Keys()}
	server := &http.Server{
		Addr:              cmp.Or(os.Getenv("LISTEN"), "127.0.0.1:8082"),
		Handler:           routes(tokens, issuer, resource, os.Getenv("SESSIONS") == "1"),
		ReadHeaderTimeout: 5 * time.Second,
	}
	log.Printf("listening on %s", server.Addr)
	log.Fatal(server.ListenAndServe())
}

// tools are the tools with the scopes that they need. A tool that is not here cannot be called.
var tools = map[string][]string{
	"list":   {"photos.read"},
	"delete": {"photos.read", "photos.write"},
}

// routes serves the metadata to everyone, and MCP to requests with a token.
func routes(tokens rs.Verifier, issuer, resource string, sessions bool) http.Handler {
	meta := &rs.Metadata{
		Resource:             resource,
		AuthorizationServers: []string{issuer},
		ScopesSupported:      []string{"photos.read"}, // what a client requests at first
	}
	api := &rs.Protection{Tokens: tokens, Scopes: []string{"photos.read"}, ResourceMetadata: meta.URL()}
	server := newServer()
	sdk := mcp.NewStreamableHTTPHandler(func(*http.Request) *mcp.Server { return server }, &mcp.StreamableHTTPOptions{Stateless: !sessions})
	guard := mcpauth.Tools(tools)

	mux := http.NewServeMux()
	mux.Handle(meta.Path(), meta)
	mux.Handle(path(resource), api.Handler(rs.RequireScope("photos.read")(guard(mcpauth.Identify(sdk)))))
	return mux
}

type nothing struct{}

func newServer() *mcp.Server {
	s := mcp.NewServer(&mcp.Implementation{Name: "photos", Version: "1"}, nil)
	mcp.AddTool(s, &mcp.Tool{Name: "list", Description: "the caller's photos"}, tool("the photos of %s"))
	mcp.AddTool(s, &mcp.Tool{Name: "delete", Description: "deletes them"}, tool("deleted those of %s"))
	return s
}

// tool answers with the name of the caller.
func tool(format string) mcp.ToolHandlerFor[nothing, any] {
	return func(_ context.Context, r *mcp.CallToolRequest, _ nothing) (*mcp.CallToolResult, any, error) {
		who, err := mcpauth.Caller(r.Extra)
		if err != nil {
			return nil, nil, err
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
