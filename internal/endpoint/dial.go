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
	return dialGuarded(ctx, network, address)
}

// dialGuarded connects to addresses that are not private.
func dialGuarded(ctx context.Context, network, address string) (net.Conn, error) {
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

// inside are networks that netip does not call private: "this network" (RFC 791), addresses
// that providers share (RFC 6598) and those of protocols (RFC 6890); some clouds have
// their metadata there.
var inside = []netip.Prefix{netip.MustParsePrefix("0.0.0.0/8"), netip.MustParsePrefix("100.64.0.0/10"), netip.MustParsePrefix("192.0.0.0/24")}

// translated is where networks without IPv4 have that of others (RFC 6052): at the end.
var translated = netip.MustParsePrefix("64:ff9b::/96")

// isPrivate covers RFC 1918, RFC 4193, link-local, loopback and what else is inside.
func isPrivate(a netip.Addr) bool {
	a = a.Unmap()
	if translated.Contains(a) {
		all := a.As16()
		a = netip.AddrFrom4([4]byte(all[12:]))
	}
	return a.IsPrivate() || a.IsLoopback() || a.IsLinkLocalUnicast() || a.IsUnspecified() || a.IsMulticast() ||
		slices.ContainsFunc(inside, func(p netip.Prefix) bool { return p.Contains(a) })
}

// IsPrivate tells whether a connection is to a private address.
func IsPrivate(c net.Conn) bool {
	at, err := netip.ParseAddrPort(c.RemoteAddr().String())
	return err == nil && isPrivate(at.Addr())
}
