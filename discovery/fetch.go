// Package discovery finds out about a server: its metadata (OpenID Connect
// Discovery 1.0, RFC 8414) and its keys as they rotate (RFC 7517).
//
// A [Provider] is all that most programs need: it fetches at the first use, not
// before, keeps what it got for as long as it may, and goes on with it while
// the server is down.
package discovery

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/countersign/countersign/internal/endpoint"
)

const (
	wellKnown      = "/.well-known/openid-configuration"
	oauthWellKnown = "/.well-known/oauth-authorization-server"
)

// Error is a document of a server that cannot be fetched or used.
type Error struct {
	Document   string        // "metadata", "key set" or "resource metadata"
	Status     int           // HTTP status, 0 when there was no answer
	RetryAfter time.Duration // what the server asked for, 0 when it did not
	Err        error         // why, and from where: for the log
}

func (e *Error) Error() string { return "discovery: " + e.Document + ": " + e.Err.Error() }

// Unwrap gives the cause.
func (e *Error) Unwrap() error { return e.Err }

// Temporary tells whether the same call may succeed later.
func (e *Error) Temporary() bool {
	var t interface{ Temporary() bool }
	return errors.As(e.Err, &t) && t.Temporary()
}

const (
	metadataDocument = "metadata"
	keySetDocument   = "key set"
	resourceDocument = "resource metadata"
)

// OAuthURL is where an authorization server that is no OpenID provider publishes its
// metadata: the well-known path goes between host and path of the issuer (RFC 8414
// §3.1). It is for Provider.URL.
func OAuthURL(issuer string) (string, error) {
	if err := (endpoint.Policy{InsecureHTTP: true}).CheckIssuer(issuer); err != nil {
		return "", err
	}
	u, err := url.Parse(issuer)
	if err != nil {
		return "", err
	}
	return u.Scheme + "://" + u.Host + oauthWellKnown + strings.TrimSuffix(u.EscapedPath(), "/"), nil
}

// Fetch reads the metadata of issuer from issuer + "/.well-known/openid-configuration"
// (OpenID Connect Discovery 1.0 §4.1) and checks that it is the issuer's (§4.3), has
// what a login needs (unless it names its grants, and no login is among them), and names
// only https endpoints. hc may be nil. It takes at most 10 seconds and 1 MiB. Every error
// is an [*Error].
func Fetch(ctx context.Context, hc *http.Client, issuer string) (*Metadata, error) {
	p := &Provider{Issuer: issuer}
	f, err := fetch(p.Context(ctx), hc, p.policy(), "", issuer)
	if err == nil {
		err = f.incomplete
	}
	if err != nil {
		return nil, err
	}
	return f.metadata, nil
}

// found is metadata that is the issuer's, and what it lacks for a login, if anything.
type found struct {
	metadata   *Metadata
	incomplete error
}

// fetch reads the metadata of issuer from u, or from where the issuer must have it.
func fetch(ctx context.Context, hc *http.Client, policy endpoint.Policy, u, issuer string) (*found, error) {
	if err := policy.CheckIssuer(issuer); err != nil {
		return nil, wrap(metadataDocument, err)
	}
	if u == "" {
		u = strings.TrimSuffix(issuer, "/") + wellKnown
	}
	resp, err := get(ctx, hc, metadataDocument, u, endpoint.MaxDocument)
	if err != nil {
		return nil, err
	}
	f := &found{}
	if f.metadata, err = parse(resp.Body, issuer, policy); err != nil {
		return nil, wrap(metadataDocument, resp.Refuse(err))
	}
	if err := f.metadata.checkComplete(!strings.Contains(u, oauthWellKnown)); err != nil {
		f.incomplete = wrap(metadataDocument, resp.Refuse(err))
	}
	return f, nil
}

// hints are what to do about the answers of a server that does not give a document.
type hints struct{ missing, forbidden, redirected, notJSON string }

var hintsFor = map[string]hints{
	metadataDocument: {
		missing: "the server has no metadata at this address: set Issuer to the server's issuer with its path, " +
			"or set Provider.URL (Config.DiscoveryURL) where the server publishes it elsewhere",
		forbidden: "the server gives its metadata only to known callers: set Provider.HTTP (Config.HTTP) to a client whose Transport " +
			"sends credentials, or configure Provider.Static (Config.Metadata)",
		redirected: "set Issuer or Provider.URL (Config.DiscoveryURL)",
		notJSON:    "correct the Content-Type at the server, or configure Provider.Static (Config.Metadata)",
	},
	keySetDocument: {
		missing: "the server has no key set at this address: use KeysAt with the right address, or StaticKeys",
		forbidden: "the server gives its keys only to known callers: set Provider.HTTP (Config.HTTP) to a client whose Transport " +
			"sends credentials, or use StaticKeys",
		redirected: "use KeysAt with that address, or StaticKeys",
		notJSON:    "correct the Content-Type at the server, or use StaticKeys",
	},
	resourceDocument: {
		missing:    "the API has no resource metadata at this address",
		forbidden:  "the API gives its metadata only to known callers: use an HTTP client whose Transport sends credentials",
		redirected: "use the resource identifier of that address",
		notJSON:    "correct the Content-Type at the API",
	},
}

// get fetches a JSON document; which one is for the error.
func get(ctx context.Context, hc *http.Client, document, url string, max int) (*endpoint.Response, error) {
	hint := hintsFor[document]
	resp, err := endpoint.Client{HTTP: hc}.Get(ctx, url, "application/json", nil, max)
	switch {
	case err != nil:
		e := wrap(document, err)
		if e.Status >= 300 && e.Status < 400 {
			e.Err = fmt.Errorf("%w (%s)", e.Err, hint.redirected)
		}
		return nil, e
	case resp.Status == http.StatusUnauthorized || resp.Status == http.StatusForbidden:
		return nil, wrap(document, resp.Failure(hint.forbidden))
	case resp.Status != http.StatusOK:
		return nil, wrap(document, resp.Failure(hint.missing))
	case !resp.IsJSON() && !resp.IsUntyped():
		return nil, wrap(document, resp.Refuse(fmt.Errorf("%w: %s", resp.NotJSON(), hint.notJSON)))
	}
	return resp, nil
}

func wrap(document string, err error) *Error {
	out := &Error{Document: document, Err: err}
	var e *endpoint.Error
	if errors.As(err, &e) {
		out.Status, out.RetryAfter = e.Status, e.RetryAfter
	}
	return out
}
