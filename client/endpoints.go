package client

import (
	"context"
	"errors"
	"net/url"

	"github.com/countersign/countersign/discovery"
	"github.com/countersign/countersign/internal/endpoint"
)

// ErrNoEndpoint is the cause of an [*Error] where the server's metadata has no endpoint
// for what was asked of it.
var ErrNoEndpoint = errors.New("the server's metadata has no endpoint for this (Config.Metadata may name one)")

// place is an endpoint that a client authenticates at, as the metadata describes it.
type place struct {
	url     string
	methods []string // of authentication, where the endpoint has a list of its own
}

// postTo posts a form, once, with the client's authentication. Where the
// server has no list of methods for the endpoint, that of the token endpoint is taken.
func (c *Client) postTo(ctx context.Context, step Step, at func(*discovery.Metadata) place, form url.Values, accept string) (*endpoint.Response, error) {
	ctx = c.provider.Context(ctx)
	m, err := c.metadata(ctx)
	if err != nil {
		return nil, err
	}
	p := at(m)
	if p.url == "" {
		return nil, fail(step, ErrNoEndpoint)
	}
	if len(p.methods) > 0 {
		own := *m
		own.TokenEndpointAuthMethodsSupported = p.methods
		m = &own
	}
	resp, err := c.http.PostForm(ctx, p.url, c.auth(m), form, accept)
	if err != nil {
		return nil, fail(step, tokenError(err))
	}
	return resp, nil
}
