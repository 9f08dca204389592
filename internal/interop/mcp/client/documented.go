package main

import (
	"context"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/countersign/countersign/client/registration"
	"github.com/countersign/countersign/client/tokens"
	"github.com/countersign/countersign/mcpauth"
)

// documented is the program of docs/unknown-apis.md, line for line.
func documented(document *registration.Document, ask func(context.Context, string) bool, browser func(context.Context, string) error, tokens tokens.Store, url string) (mcp.Transport, error) {
	h, err := mcpauth.New(mcpauth.Config{Client: document, Trusted: ask, Open: browser, Store: tokens})
	if err != nil {
		return nil, err
	}
	transport := &mcp.StreamableClientTransport{Endpoint: url, OAuthHandler: h, HTTPClient: h.HTTPClient()}
	return transport, nil
}
