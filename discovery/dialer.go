package discovery

import (
	"context"
	"net"
	"net/netip"

	"github.com/countersign/countersign/internal/endpoint"
)

// Dialer gives a Transport of the application the guard that the module's own Transport
// has: metadata of a server cannot make the application connect to private, link-local
// or loopback addresses, or to the other special-purpose networks of the IANA registries
// (RFC 6890). The address is checked when the connection is made.
//
//	transport := &http.Transport{DialContext: (&discovery.Dialer{}).DialContext}
//	provider := &discovery.Provider{Issuer: issuer, HTTP: &http.Client{Transport: transport}}
//
// For requests of this module, the hosts that the operator configured may be at any
// address (see Provider.UntrustedIssuer). Every other request is guarded. Give the
// Transport to nothing else: it reuses connections, and then no address is checked.
type Dialer struct {
	// Allow are private networks that metadata may lead to, for servers whose endpoints
	// are on several hosts of the operator's network. Empty means none.
	Allow []netip.Prefix
}

// DialContext connects as net.Dialer does, unless the address is private.
func (d *Dialer) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	return endpoint.Dialer{Allow: d.Allow}.DialContext(ctx, network, address)
}
