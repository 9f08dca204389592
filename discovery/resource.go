package discovery

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"strings"
	"sync/atomic"

	"github.com/countersign/countersign/internal/endpoint"
	"github.com/countersign/countersign/internal/jose"
)

const resourceWellKnown = "/.well-known/oauth-protected-resource"

// Resource is the metadata of an API, RFC 9728 §2. Its main content is the list of
// authorization servers that issue tokens for the API.
type Resource struct {
	Resource                              string   `json:"resource"`                                   // the resource identifier
	AuthorizationServers                  []string `json:"authorization_servers"`                      // issuer identifiers
	JWKSURI                               string   `json:"jwks_uri"`                                   // URL of the API's public keys
	ScopesSupported                       []string `json:"scopes_supported"`                           // a client should not request all of them at once (RFC 9728 §7.2)
	BearerMethodsSupported                []string `json:"bearer_methods_supported"`                   // "header", "body", "query"
	ResourceSigningAlgValuesSupported     []string `json:"resource_signing_alg_values_supported"`      // of signed responses: JWS alg
	ResourceName                          string   `json:"resource_name"`                              // written by the API, like the next three members
	ResourceDocumentation                 string   `json:"resource_documentation"`                     // URL of a page for developers
	ResourcePolicyURI                     string   `json:"resource_policy_uri"`                        // URL of the rules for the use of the data
	ResourceTOSURI                        string   `json:"resource_tos_uri"`                           // URL of the terms of service
	TLSClientCertificateBoundAccessTokens bool     `json:"tls_client_certificate_bound_access_tokens"` // the API accepts tokens bound to a client certificate, RFC 8705 §3; default: false
	AuthorizationDetailsTypesSupported    []string `json:"authorization_details_types_supported"`      // RFC 9396 §10
	DPoPSigningAlgValuesSupported         []string `json:"dpop_signing_alg_values_supported"`          // of DPoP proofs: JWS alg, RFC 9449 §5.1
	DPoPBoundAccessTokensRequired         bool     `json:"dpop_bound_access_tokens_required"`          // the API always requires DPoP; default: false
	SignedMetadata                        string   `json:"signed_metadata"`                            // RFC 9728 §2.2; ignored

	private bool // it was fetched from a private address
}

// FetchResource fetches the metadata of the API with this resource identifier from the address of
// RFC 9728 §3.1. It checks that the metadata is for exactly that resource (§3.3). If there is no
// metadata at that address, it tries the well-known path without the identifier's path, as clients
// of the Model Context Protocol do. An origin with and without a trailing slash is the same
// resource. hc may be nil. A call lasts at most 10 seconds and reads at most 1 MiB. Every error is
// an [*Error].
func FetchResource(ctx context.Context, hc *http.Client, resource string) (*Resource, error) {
	u, err := resourceURL(resource)
	if err != nil {
		return nil, wrap(resourceDocument, err)
	}
	ctx, cancel := context.WithTimeout(ctx, endpoint.Timeout)
	defer cancel()
	r, err := fetchResource(ctx, hc, u, resource)
	if root := rootURL(u); root != u && notThere(err) {
		if atRoot, rootErr := fetchResource(ctx, hc, root, resource); rootErr == nil {
			return atRoot, nil
		}
	}
	return r, err
}

// rootURL returns the well-known path at the origin of u.
func rootURL(u string) string {
	parsed, err := url.Parse(u)
	if err != nil {
		return u
	}
	return parsed.Scheme + "://" + parsed.Host + resourceWellKnown
}

// notThere reports whether the server responded that it does not have the document. It is
// false while the server is down.
func notThere(err error) bool {
	var e *Error
	return errors.As(err, &e) && e.Status != 0 && !e.Temporary()
}

// FetchChallenged fetches the metadata from the address in an API's challenge
// (resource_metadata, RFC 9728 §5.1). used is the URL of the request that was challenged. The
// resource in the metadata must be equal to used, character by character (§3.3). If the
// application uses one identifier for an API with many addresses, pass that identifier as used.
// An address with another origin is rejected, because an API may only describe itself.
// Everything else is as for FetchResource. Every error is an [*Error].
func FetchChallenged(ctx context.Context, hc *http.Client, address, used string) (*Resource, error) {
	if err := errors.Join(checkResource(used), endpoint.CheckURL(address)); err != nil {
		return nil, wrap(resourceDocument, err)
	}
	if !endpoint.SameOrigin(address, used) {
		return nil, wrap(resourceDocument, errors.New("the challenge (WWW-Authenticate) names metadata at another origin than the API's own"))
	}
	return fetchResource(ctx, hc, address, used)
}

func fetchResource(ctx context.Context, hc *http.Client, u, resource string) (*Resource, error) {
	var private atomic.Bool
	ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		GotConn: func(c httptrace.GotConnInfo) { private.Store(endpoint.IsPrivate(c.Conn)) },
	})
	resp, err := get(endpoint.For(ctx, resource), hc, resourceDocument, u, endpoint.MaxDocument)
	if err != nil {
		return nil, err
	}
	r, err := parseResource(resp.Body, resource)
	if err != nil {
		return nil, wrap(resourceDocument, resp.Refuse(err))
	}
	r.private = private.Load()
	return r, nil
}

func parseResource(body []byte, resource string) (*Resource, error) {
	r := &Resource{}
	if err := jose.Decode(body, r, jose.DocumentLimits); err != nil {
		return nil, err
	}
	if !sameResource(r.Resource, resource) {
		return nil, fmt.Errorf("the metadata is of resource %s, expected %s: use the first value if you trust it",
			jose.Quote(r.Resource), jose.Quote(resource))
	}
	return r, nil
}

// sameResource compares resource identifiers. An origin with and without a trailing slash is
// the same URI (RFC 3986 §6.2.3). Everything else is compared character by character.
func sameResource(a, b string) bool { return a == b || withSlash(a) == withSlash(b) }

func withSlash(resource string) string {
	if u, err := url.Parse(resource); err == nil && u.Host != "" && resource == u.Scheme+"://"+u.Host {
		return resource + "/"
	}
	return resource
}

// Server finds the authorization server for the resource. It uses the first one whose issuer
// identifier accept accepts. The application must decide which servers it trusts with its users: a
// hostile API can name a hostile server (RFC 9728 §7.6, §7.8).
//
// Server fetches the metadata from the address of RFC 8414. If nothing is there, it uses the
// address of OpenID Connect Discovery. The returned Provider has the address that worked. If hc is
// nil, requests to private addresses are blocked, now and later (RFC 9728 §7.7). An exception is a
// resource that was itself fetched from such an address. The Provider's HTTP enforces this, so use it
// for the client too.
// Every error is an [*Error].
func (r *Resource) Server(ctx context.Context, hc *http.Client, accept func(issuer string) bool) (*Provider, error) {
	for _, issuer := range r.AuthorizationServers {
		if accept != nil && accept(issuer) {
			return r.find(ctx, hc, issuer)
		}
	}
	return nil, wrap(resourceDocument, fmt.Errorf("the resource names the authorization servers %s, and the application does not accept any of them",
		jose.Quote(strings.Join(r.AuthorizationServers, " "))))
}

func (r *Resource) find(ctx context.Context, hc *http.Client, issuer string) (*Provider, error) {
	places, err := metadataURLs(issuer)
	if err != nil {
		return nil, wrap(resourceDocument, err)
	}
	if hc == nil {
		hc = endpoint.Guarded(r.Resource, r.private)
	}
	var last error
	for _, at := range places {
		p := &Provider{Issuer: issuer, URL: at, HTTP: hc}
		if _, last = p.Metadata(ctx); last == nil {
			return p, nil
		}
		if !notThere(last) {
			break
		}
	}
	return nil, last
}

// metadataURLs returns the possible addresses of a server's metadata, as values of
// Provider.URL.
func metadataURLs(issuer string) ([]string, error) {
	oauth, err := OAuthURL(issuer)
	if err != nil {
		return nil, err
	}
	all := []string{oauth}
	if u, err := url.Parse(issuer); err == nil && strings.Trim(u.Path, "/") != "" {
		all = append(all, strings.Replace(oauth, oauthWellKnown, wellKnown, 1))
	}
	return append(all, ""), nil
}

// resourceURL inserts the well-known path between the host and the path of the identifier.
func resourceURL(resource string) (string, error) {
	if err := checkResource(resource); err != nil {
		return "", err
	}
	u, err := url.Parse(resource)
	if err != nil {
		return "", err
	}
	if u.Path == "/" {
		u.Path, u.RawPath = "", ""
	}
	u.Path, u.RawPath = resourceWellKnown+u.Path, resourceWellKnown+u.EscapedPath()
	return u.String(), nil
}

// checkResource requires a resource identifier to be an https URL without fragment, RFC 9728
// §1.2.
func checkResource(resource string) error {
	if err := endpoint.CheckURL(resource); err != nil {
		return fmt.Errorf("resource %s is %w", jose.Quote(resource), err)
	}
	return nil
}
