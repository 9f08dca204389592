package client

import (
	"context"
	"errors"
	"net/url"
	"slices"

	"github.com/countersign/countersign/client/auth"
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

// cloneValues gives parameters that can be added to, where there are none too.
func cloneValues(v url.Values) url.Values {
	out := make(url.Values, len(v))
	for name, values := range v {
		out[name] = slices.Clone(values)
	}
	return out
}

// setGiven sets the parameters that have a value.
func setGiven(v url.Values, given map[string]string) {
	for name, value := range given {
		if value != "" {
			v.Set(name, value)
		}
	}
}

// auth is the client's authentication at the server with this metadata.
func (c *Client) auth(m *discovery.Metadata) auth.Authenticator {
	return c.method(m).Bind(c.Binding())
}

// method is the one that the server's metadata names, of those there are.
func (c *Client) method(m *discovery.Metadata) auth.Method {
	return c.config.Auth.Choose(m.TokenEndpointAuthMethodsSupported)
}

// Binding is this client as it authenticates and signs: its ID, its server, the algorithms of
// its profile and its clock.
func (c *Client) Binding() auth.Binding {
	return auth.Binding{ClientID: c.config.ClientID, Issuer: c.config.Issuer, CheckAlg: c.config.Profile.checkAlg, Now: c.config.Now}
}

var errUnmade = errors.New("the Client was not made by New")

// Metadata gives the server's metadata, with the endpoints that this client uses. It is
// fetched at the first use; every error is an [*Error].
func (c *Client) Metadata(ctx context.Context) (*discovery.Metadata, error) {
	if c.provider == nil {
		return nil, fail(StepDiscovery, errUnmade)
	}
	return c.metadata(c.provider.Context(ctx))
}

// metadata is the server's, with the endpoints that this client uses: a client that
// shows a certificate must use the aliases for that, where there are such (RFC 8705 §5).
func (c *Client) metadata(ctx context.Context) (*discovery.Metadata, error) {
	if c.provider == nil {
		return nil, fail(StepDiscovery, errUnmade)
	}
	m, err := c.provider.Metadata(ctx)
	if err != nil {
		return nil, fail(StepDiscovery, err)
	}
	if err := c.config.checkMetadata(m); err != nil {
		return nil, fail(StepDiscovery, err)
	}
	if c.config.Auth.UsesCertificate() || c.config.CertificateBound {
		return m.MTLS(), nil
	}
	return m, nil
}

// repeatResource names the API again in a token request, if an earlier step named one (RFC
// 8707 §2.2). Of several, the server chooses what the token is for.
func (c *Client) repeatResource(form url.Values, named []string) {
	if len(named) == 1 && !c.config.OmitTokenResource && !form.Has("resource") {
		form["resource"] = slices.Clone(named)
	}
}
