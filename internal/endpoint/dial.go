package endpoint

import (
	"context"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"syscall"
	"time"
)

// A server's metadata names the hosts that the module calls. So that it cannot lead to
// machines which only we can reach, addresses that are private, link-local or loopback
// are refused, unless the server is at such an address itself. The address is looked at
// when the connection is made: a name that resolves to something else then does not help.
// A caller who brings a Transport brings its own policy.

type issuerKey struct{}

// For marks ctx: the calls made under it go to endpoints that the metadata of issuer names.
func For(ctx context.Context, issuer string) context.Context {
	return context.WithValue(ctx, issuerKey{}, issuer)
}

// viaProxy tells whether the environment sends r through a proxy. Then the connection is to
// the proxy, which may well be at a private address, and it is the proxy's to say where it
// goes on to.
func viaProxy(r *http.Request) bool {
	proxy, err := http.ProxyFromEnvironment(r)
	return err == nil && proxy != nil
}

// addressError is a connection that was refused here.
type addressError struct{}

func (*addressError) Error() string {
	return "the host is at a private address, and the issuer is not"
}

var dialer = net.Dialer{Timeout: connectTimeout, KeepAlive: 30 * time.Second}

// dial connects, to addresses that the issuer's metadata may lead to.
func dial(ctx context.Context, network, address string) (net.Conn, error) {
	issuer, _ := ctx.Value(issuerKey{}).(string)
	if issuer == "" || sameHost(issuer, address) || isPrivateHost(ctx, issuer) {
		return dialer.DialContext(ctx, network, address)
	}
	guarded := dialer
	guarded.Control = func(_, address string, _ syscall.RawConn) error {
		if at, err := netip.ParseAddrPort(address); err != nil || isPrivate(at.Addr()) {
			return &addressError{}
		}
		return nil
	}
	return guarded.DialContext(ctx, network, address)
}

func sameHost(issuer, address string) bool {
	u, err := url.Parse(issuer)
	host, _, splitErr := net.SplitHostPort(address)
	return err == nil && splitErr == nil && u.Hostname() == host
}

func isPrivateHost(ctx context.Context, issuer string) bool {
	u, err := url.Parse(issuer)
	if err != nil {
		return false
	}
	addrs, err := net.DefaultResolver.LookupNetIP(ctx, "ip", u.Hostname())
	return err == nil && slices.ContainsFunc(addrs, isPrivate)
}

// isPrivate covers RFC 1918, RFC 4193, link-local, loopback and the unspecified address.
func isPrivate(a netip.Addr) bool {
	a = a.Unmap()
	return a.IsPrivate() || a.IsLoopback() || a.IsLinkLocalUnicast() || a.IsUnspecified() || a.IsMulticast()
}
