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

// Provider is a server with its metadata and keys. They are fetched at the first use, refreshed,
// and kept while the server is down. Set the fields before the first call. It is then safe for
// concurrent use, and must not be copied.
type Provider struct {
	// Issuer is the server's issuer identifier. It must be exactly equal to the issuer in the
	// metadata. It must be set.
	Issuer string

	// URL is the address of the metadata, if the server does not publish it where OpenID
	// Connect Discovery 1.0 §4.1 requires it; see OAuthURL. The issuer in that metadata must
	// still be Issuer. "" means Issuer + "/.well-known/openid-configuration".
	URL string

	// HTTP sends the requests. The module uses its Transport, for example for tracing,
	// proxies, or credentials for servers that otherwise answer 401 or 403. The module still
	// sets time-outs and size limits, and does not follow redirects. A custom Transport has
	// no protection against private addresses, unless it connects with a [Dialer]. nil means
	// the module's own client.
	HTTP *http.Client

	// UntrustedIssuer means that Issuer was not chosen by the operator, but for example by a
	// customer of the application. All private, link-local and loopback addresses are then
	// blocked. If it is false, the hosts of Issuer and URL may have such an address. Every
	// other host in the metadata is still checked.
	UntrustedIssuer bool

	// InsecureHTTP accepts http for the issuer and its endpoints on every host, such as
	// http://keycloak:8080. Use it only for development: anyone on the network can read and
	// change the requests. If it is false, http is accepted only on loopback.
	InsecureHTTP bool

	// Static is metadata that the operator configured. If it is set, no metadata is fetched.
	// nil means that the metadata is fetched.
	Static *Metadata

	// Logger receives a WARN if a document cannot be refreshed and the previous one is still
	// used. It also receives a WARN for each key set with unusable keys. A failure that the
	// caller receives as an error is logged at DEBUG. nil means slog.Default.
	Logger *slog.Logger

	// Now returns the current time. nil means time.Now.
	Now func() time.Time

	metadata document[*found]
	keys     rotatingKeys
}

// Format implements fmt.Formatter. Every verb prints the issuer only, because other
// goroutines may be changing the rest.
func (p *Provider) Format(f fmt.State, _ rune) { fmt.Fprintf(f, "[server %s]", p.Issuer) }

// Context returns a context for requests of this module. These requests may connect to the
// addresses that p's metadata may refer to. Packages that call endpoints of p's metadata use this
// context. Applications do not need it.
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

// Metadata returns the server's metadata. It is fetched at the first call, and again after an
// hour. If the refresh fails, the previous metadata is returned for up to 24 hours. Every error
// is an [*Error], unless ctx ends first. The error is Temporary if a later call may succeed.
// Otherwise its text names the setting to change.
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

// anyMetadata is Metadata for callers that need only the keys: some servers sign tokens but
// support no login.
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
