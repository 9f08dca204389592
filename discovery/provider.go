package discovery

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"time"

	"github.com/countersign/countersign/internal/endpoint"
)

const metadataFresh = time.Hour

// Provider is a server as a program sees it over its lifetime: metadata and
// keys, fetched at the first use, refreshed, and kept while the server is down.
// Set the fields before the first call; a Provider must not be copied after it.
type Provider struct {
	// Issuer is the server's issuer identifier, exactly as the server writes it.
	Issuer string

	// URL is where the metadata is, for servers that do not publish it where OpenID
	// Connect Discovery 1.0 §4.1 says; see OAuthURL. What is found there must still be
	// Issuer's. "" means Issuer + "/.well-known/openid-configuration".
	URL string

	// HTTP sends the requests. Its Transport is used (tracing, proxies, credentials for
	// servers that answer 401 or 403 without them). The module still sets time-outs and
	// size limits, and follows no redirect. Another Transport than nil loses the guard
	// against private addresses, unless it connects with a [Dialer]. nil means the
	// module's own client.
	HTTP *http.Client

	// UntrustedIssuer says that somebody else than the operator chose Issuer, for example
	// a customer of the application. No request then reaches a private, link-local or
	// loopback address. Otherwise the hosts of Issuer and URL may be at such an address,
	// and the guard covers every other host that the metadata names.
	UntrustedIssuer bool

	// InsecureHTTP accepts http for the issuer and its endpoints on every host, such as
	// http://keycloak:8080. It is for development: anybody on the network can read and
	// change what is sent. Otherwise http is accepted only on loopback.
	InsecureHTTP bool

	// Static is metadata that the operator configured. When it is set nothing is
	// discovered. nil means discovery.
	Static *Metadata

	// Logger gets a WARN when a document cannot be refreshed and the previous one is still
	// used, and one for each set with keys that cannot be used. A failure that the caller
	// gets as an error is logged at DEBUG. nil means slog.Default.
	Logger *slog.Logger

	// Now is the clock. nil means time.Now.
	Now func() time.Time

	metadata document[*found]
	keys     rotatingKeys
}

// Format implements fmt.Formatter: every verb prints the issuer, and nothing that
// other goroutines may be changing.
func (p *Provider) Format(f fmt.State, _ rune) { fmt.Fprintf(f, "[server %s]", p.Issuer) }

// Context marks ctx: requests of this module under it may go where p's metadata may lead
// to. Packages that call endpoints of p's metadata use it; applications need not.
func (p *Provider) Context(ctx context.Context) context.Context {
	return endpoint.With(ctx, p.policy())
}

func (p *Provider) policy() endpoint.Policy {
	if p == nil {
		return endpoint.Policy{Guarded: true}
	}
	out := endpoint.Policy{Guarded: true, InsecureHTTP: p.InsecureHTTP}
	if !p.UntrustedIssuer {
		out.Own = []string{p.Issuer, p.URL}
	}
	return out
}

func (p *Provider) now() time.Time {
	if p.Now != nil {
		return p.Now()
	}
	return time.Now()
}

// Metadata gives the server's metadata: fetched at the first call, again after an
// hour, and for up to 24 hours from what was had before if that fails. Every
// error is an [*Error].
func (p *Provider) Metadata(ctx context.Context) (*Metadata, error) {
	if p.Static != nil {
		return p.static()
	}
	f, _, err := p.metadata.get(ctx, p.now, p.fetchMetadata)
	if err == nil {
		err = f.incomplete
	}
	if err != nil {
		return nil, err
	}
	return f.metadata, nil
}

// anyMetadata is Metadata for callers that need only the keys: some servers sign tokens
// and have no login.
func (p *Provider) anyMetadata(ctx context.Context) (*Metadata, error) {
	if p.Static != nil {
		return p.static()
	}
	f, _, err := p.metadata.get(ctx, p.now, p.fetchMetadata)
	if err != nil {
		return nil, err
	}
	return f.metadata, nil
}

func (p *Provider) static() (*Metadata, error) {
	err := p.policy().CheckIssuer(p.Issuer)
	if err == nil {
		err = p.Static.check(p.Issuer, p.policy())
	}
	if err != nil {
		return nil, wrap(metadataDocument, err)
	}
	return p.Static, nil
}

func (p *Provider) fetchMetadata(ctx context.Context) (*found, time.Duration, error) {
	f, err := fetch(p.Context(ctx), p.HTTP, p.policy(), p.URL, p.Issuer)
	p.reportFailure(ctx, metadataDocument, p.metadata.held(p.now()), err)
	return f, metadataFresh, err
}
