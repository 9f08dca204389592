package client

import (
	"context"
	"errors"

	"github.com/countersign/countersign/client/auth"
	"github.com/countersign/countersign/discovery"
)

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
