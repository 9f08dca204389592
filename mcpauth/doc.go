// Package mcpauth adds authorization to programs that use the Go SDK of the Model Context Protocol
// (MCP). It has a part for clients and a part for servers.
//
// A [Handler] gets tokens for an MCP client. It finds the authorization server of the MCP server,
// registers the client there, and signs the user in. It refreshes the tokens, and requests more
// scopes when a tool needs them:
//
//	h, err := mcpauth.New(mcpauth.Config{Client: document, Trusted: ask, Open: browser, Store: tokens})
//	transport := &mcp.StreamableClientTransport{Endpoint: url, OAuthHandler: h, HTTPClient: h.HTTPClient()}
//
// [Tools] guards the tools of an MCP server behind an rs.Protection. A call needs the scopes that
// the map lists for the tool. A tool without an entry is rejected. [Identify] passes the caller to
// the SDK, so that each session belongs to one user.
package mcpauth
