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

// Resource is what an API publishes about itself, RFC 9728 §2: above all, which
// authorization servers issue tokens for it.
type Resource struct {
	Resource                              string   `json:"resource"`
	AuthorizationServers                  []string `json:"authorization_servers"` // issuer identifiers
	JWKSURI                               string   `json:"jwks_uri"`
	ScopesSupported                       []string `json:"scopes_supported"` // not to be asked for all at once (§7.2)
	BearerMethodsSupported                []string `json:"bearer_methods_supported"`
	ResourceSigningAlgValuesSupported     []string `json:"resource_signing_alg_values_supported"`
	ResourceName                          string   `json:"resource_name"` // the API's own words, as are the next three
	ResourceDocumentation                 string   `json:"resource_documentation"`
	ResourcePolicyURI                     string   `json:"resource_policy_uri"`
	ResourceTOSURI                        string   `json:"resource_tos_uri"`
	TLSClientCertificateBoundAccessTokens bool     `json:"tls_client_certificate_bound_access_tokens"`
	AuthorizationDetailsTypesSupported    []string `json:"authorization_details_types_supported"`
	DPoPSigningAlgValuesSupported         []string `json:"dpop_signing_alg_values_supported"`
	DPoPBoundAccessTokensRequired         bool     `json:"dpop_bound_access_tokens_required"`
	SignedMetadata                        string   `json:"signed_metadata"` // §2.2; not read: nothing here is taken from it

	private bool // it was read at a private address
}

// FetchResource reads the metadata of the API whose resource identifier is resource, from
// where RFC 9728 §3.1 puts it, and checks that it is the metadata of exactly that resource
// (§3.3). If it is not there, it is looked for under the well-known path without the path of
// the identifier, as clients of the Model Context Protocol do. An origin with a slash and
// without one is the same resource. hc may be nil. A call lasts at most 10 seconds and reads
// 1 MiB. Every error is an [*Error].
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

// rootURL is the well-known path at the origin of u.
func rootURL(u string) string {
	parsed, err := url.Parse(u)
	if err != nil {
		return u
	}
	return parsed.Scheme + "://" + parsed.Host + resourceWellKnown
}

// notThere tells whether a server answered that it does not have a document. It says nothing
// while it is down.
func notThere(err error) bool {
	var e *Error
	return errors.As(err, &e) && e.Status != 0 && !e.Temporary()
}

// FetchChallenged reads the metadata from the address that an API names in a challenge
// (resource_metadata, RFC 9728 §5.1). used is the URL of the request that was challenged:
// the metadata must name it as its resource, character by character (§3.3). Where an
// application knows an API of many addresses by one identifier, that is used. An address
// that is not of the same origin is refused: an API speaks for itself alone. Otherwise it
// is as FetchResource.
func FetchChallenged(ctx context.Context, hc *http.Client, address, used string) (*Resource, error) {
	if err := errors.Join(checkResource(used), endpoint.CheckURL(address)); err != nil {
		return nil, wrap(resourceDocument, err)
	}
	if !endpoint.SameOrigin(address, used) {
		return nil, wrap(resourceDocument, errors.New("the challenge names an address that is not of the API's origin"))
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
		return nil, fmt.Errorf("the metadata is of resource %s, expected %s, the same in every character",
			jose.Quote(r.Resource), jose.Quote(resource))
	}
	return r, nil
}

// sameResource compares resource identifiers. An origin with a slash and without one is the
// same URI (RFC 3986 §6.2.3); everything else is compared by character.
func sameResource(a, b string) bool { return a == b || withSlash(a) == withSlash(b) }

func withSlash(resource string) string {
	if u, err := url.Parse(resource); err == nil && u.Host != "" && resource == u.Scheme+"://"+u.Host {
		return resource + "/"
	}
	return resource
}

// Server finds the authorization server for the resource: the first one that accept takes
// by its issuer identifier. Which servers an application trusts with its users is its own
// decision; an API that is hostile names a server that is (RFC 9728 §7.6, §7.8).
//
// The server's metadata is where RFC 8414 puts it, or else where OpenID Connect Discovery
// does; the Provider has found it. With hc nil, nothing at a private address is
// called on behalf of the resource, now or later, unless the resource was read at one
// (§7.7): the Provider's HTTP sees to that, so give it to the client too. Every error is
// an [*Error].
func (r *Resource) Server(ctx context.Context, hc *http.Client, accept func(issuer string) bool) (*Provider, error) {
	for _, issuer := range r.AuthorizationServers {
		if accept != nil && accept(issuer) {
			return r.find(ctx, hc, issuer)
		}
	}
	return nil, wrap(resourceDocument, fmt.Errorf("the resource names the authorization servers %s; the application accepts none of them",
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

// metadataURLs are where a server may have its metadata, as values of Provider.URL.
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

// resourceURL puts the well-known path between the host and the path of the identifier.
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

// checkResource wants a resource identifier: an https URL without fragment, RFC 9728 §1.2.
func checkResource(resource string) error {
	if err := endpoint.CheckURL(resource); err != nil {
		return fmt.Errorf("resource %s is %w", jose.Quote(resource), err)
	}
	return nil
}
