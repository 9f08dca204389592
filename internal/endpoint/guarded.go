package endpoint

import (
	"context"
	"net"
	"net/http"
)

// Guarded is a client of our own for servers that somebody else has named, at origin: it
// connects to no private address, whatever they call themselves, unless origin is at one.
func Guarded(origin string) *http.Client {
	t := defaultTransport.(*http.Transport).Clone()
	t.DialContext = func(ctx context.Context, network, address string) (net.Conn, error) {
		if issuer, marked := ctx.Value(issuerKey{}).(string); marked && issuer == "" {
			return dial(ctx, network, address) // to a proxy
		}
		return dial(For(ctx, origin), network, address)
	}
	return &http.Client{Transport: t}
}
