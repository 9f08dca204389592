package discovery

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"time"
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

	// HTTP sends the requests. Its Transport is used (tracing, proxies); time-outs,
	// limits and the refusal of redirects stay the module's. nil means a client of our own.
	HTTP *http.Client

	// Static is metadata that the operator configured. When it is set nothing is
	// discovered. nil means discovery.
	Static *Metadata

	// Logger hears of documents that cannot be refreshed and of keys that are not used.
	// nil means slog.Default.
	Logger *slog.Logger

	// Now is the clock. nil means time.Now.
	Now func() time.Time

	metadata document[*Metadata]
	keys     rotatingKeys
}

// Format implements fmt.Formatter: every verb prints the issuer, and nothing that
// other goroutines may be changing.
func (p *Provider) Format(f fmt.State, _ rune) { fmt.Fprintf(f, "[server %s]", p.Issuer) }

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
	if p.Static == nil {
		return p.metadata.get(ctx, p.now, p.fetchMetadata)
	}
	if err := p.Static.check(p.Issuer); err != nil {
		return nil, wrap(metadataDocument, err)
	}
	return p.Static, nil
}

func (p *Provider) fetchMetadata(ctx context.Context) (*Metadata, time.Duration, error) {
	m, err := p.findMetadata(ctx)
	p.reportFailure(ctx, err)
	return m, metadataFresh, err
}

func (p *Provider) findMetadata(ctx context.Context) (*Metadata, error) {
	if p.URL == "" {
		return Fetch(ctx, p.HTTP, p.Issuer)
	}
	if err := checkIssuer(p.Issuer); err != nil {
		return nil, wrap(metadataDocument, err)
	}
	return fetch(ctx, p.HTTP, p.URL, p.Issuer)
}
