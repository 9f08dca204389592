// Package mcpauth is the authorization of the Model Context Protocol (MCP) for its Go SDK, on both
// ends.
//
// A [Handler] gets tokens for an MCP client. It finds the authorization server of the MCP server,
// registers the client there, and signs the user in. It refreshes the tokens, and requests more
// scopes when a tool needs them:
//
//	h, err := mcpauth.New(mcpauth.Config{Client: document, Trusted: ask, Open: browser, Store: tokens})
//	transport := &mcp.StreamableClientTransport{Endpoint: url, OAuthHandler: h, HTTPClient: h.HTTPClient()}
//
// [Tools] guards the tools of an MCP server behind an rs.Protection. Each tool has the scopes that
// it needs. A tool without an entry is rejected. [Identify] tells the SDK who calls, which binds
// each session to its user.
package mcpauth
