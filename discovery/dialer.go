package discovery

import (
	"context"
	"net"
	"net/netip"

	"github.com/countersign/countersign/internal/endpoint"
)

// Dialer protects an application's own Transport as the module's default Transport is protected. A
// server's metadata cannot make the application connect to private, link-local or loopback
// addresses. The other special-purpose networks of the IANA registries (RFC 6890) are blocked too.
// The address is checked when the connection is made. It is safe for concurrent use after the
// fields are set.
//
//	transport := &http.Transport{DialContext: (&discovery.Dialer{}).DialContext}
//	provider := &discovery.Provider{Issuer: issuer, HTTP: &http.Client{Transport: transport}}
//
// For requests of this module, the hosts that the operator configured may have any address (see
// Provider.UntrustedIssuer). Every other request is checked. Use the Transport only for this: it
// reuses connections, and a reused connection is not checked again.
type Dialer struct {
	// Allow lists private networks that metadata may refer to. Set it if the server's
	// endpoints are on several hosts of the operator's network. Empty means that no private
	// network is allowed.
	Allow []netip.Prefix
}

// DialContext connects like net.Dialer, but returns an error for an address that is not
// allowed.
func (d *Dialer) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	return endpoint.Dialer{Allow: d.Allow}.DialContext(ctx, network, address)
}
