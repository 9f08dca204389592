package endpoint

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"syscall"
	"time"
)

// The address is checked when the connection is made. So it does not help an attacker if a name
// resolves to another address later.

// addressError is the error of a connection that the guard rejected.
type addressError struct{}

func (*addressError) Error() string {
	return "the host is at a private address, which is accepted only for the issuer's own host. " +
		"To accept it, set HTTP to a client whose Transport connects with discovery.Dialer and its Allow"
}

var dialer = net.Dialer{Timeout: connectTimeout, KeepAlive: 30 * time.Second}

// newTransport returns http.DefaultTransport with a shorter connection timeout.
func newTransport(dial func(context.Context, string, string) (net.Conn, error)) *http.Transport {
	t := http.DefaultTransport.(*http.Transport).Clone()
	t.DialContext = dial
	t.TLSHandshakeTimeout = connectTimeout
	t.MaxIdleConnsPerHost = 16
	return t
}

// Requests that must not reach private addresses do not share connections with those that may.
var (
	openTransport    = newTransport(dialOpen)
	guardedTransport = newTransport(Dialer{}.DialContext)
)

// Guarded returns a client that does not connect to private addresses, even if the policy allows
// them. A resource that was read at a private address (seen), or whose origin is one, may lead to
// other private addresses. For it Guarded returns the default client.
func Guarded(origin string, seen bool) *http.Client {
	if seen || isPrivateOrigin(origin) {
		return &http.Client{}
	}
	return &http.Client{Transport: strictTransport}
}

var strictTransport = newTransport(func(ctx context.Context, network, address string) (net.Conn, error) {
	if way, _ := ctx.Value(routeKey{}).(route); way.proxied {
		return dialOpen(ctx, network, address)
	}
	return dialGuarded(ctx, network, address, nil)
})

// Dialer connects to private addresses only if the policy of the call or Allow permits it.
type Dialer struct{ Allow []netip.Prefix }

// DialContext connects. It guards the connection if ctx does not have a policy of this package.
func (d Dialer) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	if way, _ := ctx.Value(routeKey{}).(route); way.private || way.proxied {
		return dialOpen(ctx, network, address)
	}
	return dialGuarded(ctx, network, address, d.Allow)
}

// dialOpen connects to any address. Names under localhost are loopback, whatever a resolver
// says (RFC 6761 §6.3).
func dialOpen(ctx context.Context, network, address string) (net.Conn, error) {
	host, port, err := net.SplitHostPort(address)
	if err != nil || !isLocalhost(host) {
		return dialer.DialContext(ctx, network, address)
	}
	c, err := dialer.DialContext(ctx, network, net.JoinHostPort("127.0.0.1", port))
	if err == nil {
		return c, nil
	}
	if c, err6 := dialer.DialContext(ctx, network, net.JoinHostPort("::1", port)); err6 == nil {
		return c, nil
	}
	return nil, err
}

// dialGuarded connects to addresses that are public or in allow.
func dialGuarded(ctx context.Context, network, address string, allow []netip.Prefix) (net.Conn, error) {
	guarded := dialer
	guarded.ControlContext = func(_ context.Context, _, address string, _ syscall.RawConn) error {
		at, err := netip.ParseAddrPort(address)
		if err != nil {
			return errors.Join(&addressError{}, err)
		}
		allowed := slices.ContainsFunc(allow, func(p netip.Prefix) bool { return p.Contains(at.Addr().Unmap().WithZone("")) })
		if isPrivate(at.Addr()) && !allowed {
			return &addressError{}
		}
		return nil
	}
	return guarded.DialContext(ctx, network, address)
}

// IsPrivate reports whether the peer of c has a private address.
func IsPrivate(c net.Conn) bool {
	at, err := netip.ParseAddrPort(c.RemoteAddr().String())
	return err == nil && isPrivate(at.Addr())
}
