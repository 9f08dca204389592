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

// Error is a document of a server that could not be had or used.
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
	if err := CheckIssuer(issuer); err != nil {
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

// missing says of each document what may be wrong where it is not found.
var missing = map[string]string{
	metadataDocument: "there is no metadata (is the issuer the server's own, with its path? some publish it elsewhere)",
	keySetDocument:   "there is no key set",
	resourceDocument: "there is no resource metadata",
}

// get fetches a JSON document; which one is for the error.
func get(ctx context.Context, hc *http.Client, document, url string, max int) (*endpoint.Response, error) {
	resp, err := endpoint.Client{HTTP: hc}.Get(ctx, url, "application/json", nil, max)
	if err != nil {
		return nil, wrap(document, err)
	}
	if resp.Status != http.StatusOK {
		return nil, wrap(document, resp.Failure(missing[document]))
	}
	if !resp.IsJSON() {
		return nil, wrap(document, resp.Refuse(errors.New("the answer is not JSON by its Content-Type")))
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
