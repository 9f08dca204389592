package mcpauth

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"

	"github.com/countersign/countersign/client/tokens"
	"github.com/countersign/countersign/discovery"
)

// maxServers is the number of authorization servers of an MCP server that the user is asked about.
const maxServers = 10

// found is what the MCP server and its authorization server publish.
type found struct {
	resource *discovery.Resource
	address  string // of the resource metadata, if a challenge named it
	server   *discovery.Provider
	metadata *discovery.Metadata
	dpop     bool // the MCP server requires tokens that are bound to a key
}

// discover finds the authorization server of the MCP server, and asks Config.Trusted about it.
func (h *Handler) discover(ctx context.Context, challenge *tokens.ChallengeError) (*found, error) {
	f := &found{address: challenge.ResourceMetadata, dpop: challenge.Scheme == "DPoP"}
	var err error
	f.resource, err = h.findResource(ctx, f.address)
	switch {
	case err == nil:
		f.server, err = f.resource.Server(ctx, h.config.HTTP, h.asker(ctx))
	case f.address == "" && isMissing(err):
		f.resource = &discovery.Resource{Resource: h.at()}
		f.server, err = h.ownServer(ctx)
	}
	if err != nil {
		return nil, err
	}
	f.dpop = f.dpop || f.resource.DPoPBoundAccessTokensRequired
	f.metadata, err = f.server.Metadata(ctx)
	return f, err
}

// asker asks about each issuer in a list once, and about a few only. Otherwise an MCP server could
// ask until the user agrees.
func (h *Handler) asker(ctx context.Context) func(issuer string) bool {
	var asked []string
	return func(issuer string) bool {
		if slices.Contains(asked, issuer) || len(asked) >= maxServers {
			return false
		}
		asked = append(asked, issuer)
		return h.approve(ctx, issuer)
	}
}

// approve asks Config.Trusted about each issuer until it accepts it.
func (h *Handler) approve(ctx context.Context, issuer string) bool {
	if !h.approved[issuer] {
		h.approved[issuer] = h.config.Trusted(ctx, issuer)
	}
	return h.approved[issuer]
}

// findResource reads the resource metadata from the address of a challenge. Without one it reads it
// below the well-known path: first with the path of the MCP server, then without. The metadata must
// name one of the identifiers.
func (h *Handler) findResource(ctx context.Context, address string) (*discovery.Resource, error) {
	var first error
	for _, identifier := range h.identifiers() {
		r, err := h.fetchResource(ctx, address, identifier)
		if err == nil {
			return r, nil
		}
		if first == nil {
			first = err
		}
		if e := (*discovery.Error)(nil); errors.As(err, &e) && e.Temporary() {
			return nil, err
		}
	}
	return nil, first
}

func (h *Handler) fetchResource(ctx context.Context, address, identifier string) (*discovery.Resource, error) {
	if address != "" {
		return discovery.FetchChallenged(ctx, h.config.HTTP, address, identifier)
	}
	return discovery.FetchResource(ctx, h.config.HTTP, identifier)
}

// identifiers are the resource identifiers that the MCP server may have.
func (h *Handler) identifiers() []string {
	if h.config.Resource != "" {
		return []string{h.config.Resource}
	}
	endpoint := h.at()
	if o := origin(endpoint); o != endpoint && o+"/" != endpoint {
		return []string{endpoint, o}
	}
	return []string{endpoint}
}

func origin(address string) string {
	u, err := url.Parse(address)
	if err != nil {
		return ""
	}
	return u.Scheme + "://" + u.Host
}

// isMissing reports whether the server answered that it has no such document.
func isMissing(err error) bool {
	var e *discovery.Error
	return errors.As(err, &e) && (e.Status == http.StatusNotFound || e.Status == http.StatusMethodNotAllowed || e.Status == http.StatusGone)
}

// ownServer is the authorization server of an MCP server without resource metadata: the MCP
// server itself, as in revision 2025-03-26.
func (h *Handler) ownServer(ctx context.Context) (*discovery.Provider, error) {
	issuer := origin(h.at())
	if !h.approve(ctx, issuer) {
		return nil, fmt.Errorf("the MCP server has no resource metadata, and Config.Trusted does not accept %q as authorization server", issuer)
	}
	at, err := discovery.OAuthURL(issuer)
	if err != nil {
		return nil, err
	}
	for _, place := range []string{at, ""} {
		p := &discovery.Provider{Issuer: issuer, URL: place, HTTP: h.config.HTTP}
		if _, err = p.Metadata(ctx); err == nil || !isMissing(err) {
			return p, err
		}
	}
	if slices.Contains(h.config.InsecureNoS256, issuer) {
		return &discovery.Provider{Issuer: issuer, Static: defaultEndpoints(issuer), HTTP: h.config.HTTP}, nil
	}
	return nil, fmt.Errorf("the MCP server has no metadata: to use its endpoints /authorize, /token and /register, add its origin %q to Config.InsecureNoS256: %w", issuer, err)
}

// defaultEndpoints are the endpoints of revision 2025-03-26.
func defaultEndpoints(issuer string) *discovery.Metadata {
	return &discovery.Metadata{
		Issuer: issuer, AuthorizationEndpoint: issuer + "/authorize", TokenEndpoint: issuer + "/token",
		RegistrationEndpoint: issuer + "/register", ResponseTypesSupported: []string{"code"},
	}
}

// checkPKCE rejects a server that does not announce S256: it may ignore the code challenge,
// and then a stolen code can be used.
func (h *Handler) checkPKCE(f *found) error {
	issuer := f.server.Issuer
	if slices.Contains(f.metadata.CodeChallengeMethodsSupported, "S256") || slices.Contains(h.config.InsecureNoS256, issuer) {
		return nil
	}
	return fmt.Errorf("code_challenge_methods_supported of %q is %q, expected S256: change the server's metadata, or add the issuer to Config.InsecureNoS256",
		issuer, f.metadata.CodeChallengeMethodsSupported)
}
