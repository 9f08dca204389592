package client

import (
	"context"

	"github.com/countersign/countersign/discovery"
)

// metadata is the server's, with the endpoints that this client uses: a client that
// shows a certificate must use the aliases for that, where there are such (RFC 8705 §5).
func (c *Client) metadata(ctx context.Context) (*discovery.Metadata, error) {
	m, err := c.provider.Metadata(ctx)
	if err != nil {
		return nil, fail(StepDiscovery, err)
	}
	if err := c.config.Profile.checkServer(m); err != nil {
		return nil, fail(StepDiscovery, err)
	}
	if c.config.Auth.overTLS() || c.config.CertificateBound {
		return m.MTLS(), nil
	}
	return m, nil
}
