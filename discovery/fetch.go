// Package discovery fetches a server's metadata (OpenID Connect Discovery 1.0, RFC 8414) and
// its rotating keys (RFC 7517).
//
// Most programs need only a [Provider]. It fetches the documents at the first use, caches
// them, and keeps using them for up to 24 hours while the server is down.
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
	"github.com/countersign/countersign/internal/jose"
)

const (
	wellKnown      = "/.well-known/openid-configuration"
	oauthWellKnown = "/.well-known/oauth-authorization-server"
)

// Error reports that a server's document cannot be fetched or used.
type Error struct {
	Document   string        // "metadata", "key set" or "resource metadata"
	Status     int           // HTTP status, 0 if there was no response
	RetryAfter time.Duration // from the server's Retry-After, 0 if it sent none
	Err        error         // the reason and the address, for the log
}

func (e *Error) Error() string { return "discovery: " + e.Document + ": " + e.Err.Error() }

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// Temporary reports whether the same call may succeed later.
func (e *Error) Temporary() bool {
	var t interface{ Temporary() bool }
	return errors.As(e.Err, &t) && t.Temporary()
}

const (
	metadataDocument = "metadata"
	keySetDocument   = "key set"
	resourceDocument = "resource metadata"
)

// OAuthURL returns the address of the metadata of an authorization server that is not an OpenID
// provider. The well-known path is between the host and the path of the issuer (RFC 8414 §3.1). Use
// the result for Provider.URL. It returns an error if issuer is not a URL, or has a query or a
// fragment.
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

// Fetch fetches the metadata of issuer from issuer + "/.well-known/openid-configuration"
// (OpenID Connect Discovery 1.0 §4.1). It checks that the metadata's issuer is equal to
// issuer (§4.3) and that all endpoints are https URLs. It also checks that the members for a
// login are present, unless grant_types_supported lists no grant with a login. hc may be nil.
// A call lasts at most 10 seconds and reads at most 1 MiB. Every error is an [*Error].
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

// found is the metadata of the issuer, and an error that lists what it lacks for a login.
type found struct {
	metadata   *Metadata
	incomplete error
}

// fetch fetches the metadata of issuer from u, or from the default address if u is "".
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
	if f.metadata, err = parse(resp.Body, issuer, policy); errors.Is(err, jose.ErrNotObject) {
		return nil, wrap(metadataDocument, resp.Refuse(fmt.Errorf("%w, expected the server's metadata: call the address with curl. If another program answers, correct Issuer", err)))
	} else if err != nil {
		return nil, wrap(metadataDocument, resp.Refuse(err))
	}
	if err := f.metadata.checkComplete(!strings.Contains(u, oauthWellKnown)); err != nil {
		f.incomplete = wrap(metadataDocument, resp.Refuse(err))
	}
	return f, nil
}

// hints tell the operator what to do if the server's response is not the document.
type hints struct{ missing, forbidden, redirected, notJSON string }

var hintsFor = map[string]hints{
	metadataDocument: {
		missing: "the server has no metadata at this address: set Issuer to the server's issuer with its path. " +
			"If the metadata is at another address, set Provider.URL (Config.DiscoveryURL). A server for OAuth only has it at /.well-known/oauth-authorization-server",
		forbidden: "the server requires credentials for its metadata: set Provider.HTTP (Config.HTTP) to a client whose Transport " +
			"sends credentials, or set Provider.Static (Config.Metadata)",
		redirected: "set Issuer or Provider.URL (Config.DiscoveryURL)",
		notJSON:    "correct the Content-Type at the server, or set Provider.Static (Config.Metadata)",
	},
	keySetDocument: {
		missing: "the server has no key set at this address: use KeysAt with the correct address, or StaticKeys",
		forbidden: "the server requires credentials for its keys: set Provider.HTTP (Config.HTTP) to a client whose Transport " +
			"sends credentials, or use StaticKeys",
		redirected: "use KeysAt with that address, or StaticKeys",
		notJSON:    "correct the Content-Type at the server, or use StaticKeys",
	},
	resourceDocument: {
		missing: "the API has no resource metadata at this address",
		forbidden: "the API requires credentials for its metadata: the API should serve it without a token check (rs.Metadata outside of " +
			"Protection.Handler). Otherwise use an HTTP client whose Transport sends credentials",
		redirected: "use the resource identifier of that address",
		notJSON:    "correct the Content-Type at the API",
	},
}

// get fetches a JSON document. Errors include the name in document.
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
	case resp.Status == http.StatusTooManyRequests || resp.Status >= http.StatusInternalServerError:
		return nil, wrap(document, resp.Failure("the server is not available: check the server, or try again later"))
	case resp.Status == http.StatusBadRequest && strings.HasPrefix(url, "http://"):
		return nil, wrap(document, resp.Failure("the server rejects the request: it may expect https at this port"))
	case resp.Status != http.StatusOK && strings.Count(url, "/.well-known/") > 1: // once comes from the issuer
		return nil, wrap(document, resp.Failure("Issuer is the address of the metadata, expected the issuer: remove /.well-known/ and what follows"))
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
