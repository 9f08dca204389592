package endpoint

import (
	"context"
	"net"
	"net/http"
	"net/netip"
	"net/url"
)

// Guarded is a client of our own for servers that somebody else has named, at origin: it
// connects to no private address, whatever they call themselves, unless origin is at one.
// That is so if it was seen there, or is written as an address: who is asked about a name
// of its own can say what helps.
func Guarded(origin string, seen bool) *http.Client {
	t := defaultTransport.(*http.Transport).Clone()
	free := seen || isPrivateLiteral(origin)
	t.DialContext = func(ctx context.Context, network, address string) (net.Conn, error) {
		issuer, marked := ctx.Value(issuerKey{}).(string)
		switch {
		case marked && issuer == "": // to a proxy
			return dial(ctx, network, address)
		case free:
			return dialer.DialContext(ctx, network, address)
		}
		return dialGuarded(ctx, network, address)
	}
	return &http.Client{Transport: t}
}

func isPrivateLiteral(origin string) bool {
	u, err := url.Parse(origin)
	if err != nil {
		return false
	}
	at, err := netip.ParseAddr(u.Hostname())
	return u.Hostname() == "localhost" || err == nil && isPrivate(at)
}
