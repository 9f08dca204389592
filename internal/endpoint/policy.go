package endpoint

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"github.com/countersign/countersign/internal/jose"
)

// A server's metadata names hosts that the module then calls. A Policy prevents calls to
// machines that only the application can reach (RFC 9728 §7.7).

// Policy says which URLs the calls under a context may use. The zero value is for URLs that the
// operator configured: any host, https only.
type Policy struct {
	// Guarded rejects hosts at private addresses, except the hosts of Own.
	Guarded bool

	// Own are absolute URLs that the operator configured. Their hosts may be at any address.
	Own []string

	// InsecureHTTP accepts http on every host.
	InsecureHTTP bool
}

type (
	policyKey struct{}
	routeKey  struct{}
)

// route says how a request may connect.
type route struct{ private, proxied bool }

// With returns a context whose calls follow p.
func With(ctx context.Context, p Policy) context.Context {
	return context.WithValue(ctx, policyKey{}, p)
}

// For returns a context for calls to endpoints from the metadata of issuer. issuer "" removes
// the guard.
func For(ctx context.Context, issuer string) context.Context {
	if issuer == "" {
		return With(ctx, Policy{})
	}
	return With(ctx, Policy{Guarded: true, Own: []string{issuer}})
}

// route decides whether r may go to a private address. A proxy may be at a private address, and
// decides itself where it connects. A host that is written as a private address is rejected before
// the request reaches a proxy. A host that is not ASCII is also rejected, because net/http maps
// its fullwidth digits to an address.
func (p Policy) route(r *http.Request, transport http.RoundTripper) (route, error) {
	out := route{private: !p.Guarded || p.owns(r.URL.Hostname()), proxied: viaProxy(r, transport)}
	if !out.private && out.proxied && isPrivateName(r.URL.Hostname()) {
		return out, &addressError{}
	}
	if !out.private && out.proxied && strings.ContainsFunc(r.URL.Hostname(), func(c rune) bool { return c > 0x7e }) {
		return out, errors.New("the host is not ASCII: write it with A-labels (xn--…)")
	}
	return out, nil
}

// owns reports whether host is the host of a URL that the operator configured.
func (p Policy) owns(host string) bool {
	for _, own := range p.Own {
		if u, err := url.Parse(own); err == nil && sameHost(u.Hostname(), host) {
			return true
		}
	}
	return false
}

func sameHost(a, b string) bool { return strings.Map(lowerASCII, a) == strings.Map(lowerASCII, b) }

// viaProxy reports whether transport sends r through a proxy.
func viaProxy(r *http.Request, transport http.RoundTripper) bool {
	find := http.ProxyFromEnvironment
	if t, ok := transport.(*http.Transport); ok {
		find = t.Proxy
	}
	if find == nil {
		return false
	}
	proxy, err := find(r)
	return err == nil && proxy != nil
}

// CheckURL returns an error unless u is an absolute URL that a call may use: https, or http on
// loopback, without user info and fragment.
func CheckURL(u string) error { return Policy{}.CheckURL(u) }

// CheckURL is the function CheckURL under p.
func (p Policy) CheckURL(u string) error {
	parsed, err := url.Parse(u)
	switch {
	case err != nil || parsed.Host == "" || parsed.Hostname() == "":
		return errors.New("not an absolute URL")
	case parsed.User != nil:
		return errors.New("a URL with user info")
	case parsed.Fragment != "" || strings.Contains(u, "#"):
		return errors.New("a URL with a fragment")
	}
	return p.checkScheme(parsed)
}

// CheckScheme is CheckURL for a request's URL. It checks only scheme and host.
func CheckScheme(u *url.URL) error { return Policy{}.checkScheme(u) }

func (p Policy) checkScheme(u *url.URL) error {
	switch {
	case u == nil || u.Hostname() == "":
		return errors.New("not an absolute URL")
	case u.Scheme == "https", u.Scheme == "http" && (p.InsecureHTTP || isLoopback(u.Hostname())):
		return nil
	}
	return errors.New("not an https URL (http is accepted only on loopback, or in development with InsecureHTTP)")
}

// CheckIssuer returns an error unless issuer is a URL that OpenID Connect Discovery 1.0 §3 and
// RFC 8414 §2 allow: https, no query, no fragment.
func (p Policy) CheckIssuer(issuer string) error {
	if issuer == "" {
		return errors.New("the issuer is empty: set it to the server's issuer URL")
	}
	if err := p.CheckURL(issuer); err != nil {
		return fmt.Errorf("issuer %s is %w", jose.Quote(issuer), err)
	}
	if u, err := url.Parse(issuer); err != nil || u.RawQuery != "" || u.ForceQuery {
		return fmt.Errorf("issuer %s has a query, expected a URL without one", jose.Quote(issuer))
	}
	return nil
}
