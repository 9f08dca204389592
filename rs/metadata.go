package rs

import (
	"encoding/json"
	"net/http"
	"net/url"
	"strings"

	"github.com/countersign/countersign/internal/endpoint"
)

const resourceWellKnown = "/.well-known/oauth-protected-resource"

// Metadata is the protected resource metadata that an API publishes, RFC 9728 §2. Clients use it to
// find the authorization server after a challenge. It is an http.Handler, safe for concurrent use
// after the fields are set. Mount it outside of [Protection.Handler], because clients read it
// before they have a token:
//
//	api := &rs.Protection{…, ResourceMetadata: meta.URL()}
//	outer.Handle(meta.Path(), meta)
//	outer.Handle("/", api.Handler(routes))
//
// Resource must be set. If it is missing or not a valid resource identifier, requests are
// answered with 500.
type Metadata struct {
	Resource             string   `json:"resource"`                        // this API's identifier: an https URL without fragment (RFC 9728 §1.2)
	AuthorizationServers []string `json:"authorization_servers,omitempty"` // issuer identifiers of the servers whose tokens the API accepts
	JWKSURI              string   `json:"jwks_uri,omitempty"`              // URL of the API's public keys
	ScopesSupported      []string `json:"scopes_supported,omitempty"`      // scopes that clients may request

	BearerMethodsSupported                []string `json:"bearer_methods_supported,omitempty"`                   // "header", "body", "query"
	ResourceSigningAlgValuesSupported     []string `json:"resource_signing_alg_values_supported,omitempty"`      // of signed responses: JWS alg
	ResourceName                          string   `json:"resource_name,omitempty"`                              // shown to the user
	ResourceDocumentation                 string   `json:"resource_documentation,omitempty"`                     // URL of a page for developers
	ResourcePolicyURI                     string   `json:"resource_policy_uri,omitempty"`                        // URL of the rules for the use of the data
	ResourceTOSURI                        string   `json:"resource_tos_uri,omitempty"`                           // URL of the terms of service
	TLSClientCertificateBoundAccessTokens bool     `json:"tls_client_certificate_bound_access_tokens,omitempty"` // the API accepts tokens bound to a client certificate, RFC 8705 §3
	AuthorizationDetailsTypesSupported    []string `json:"authorization_details_types_supported,omitempty"`      // RFC 9396 §10
	DPoPSigningAlgValuesSupported         []string `json:"dpop_signing_alg_values_supported,omitempty"`          // of DPoP proofs: JWS alg, RFC 9449 §5.1
	DPoPBoundAccessTokensRequired         bool     `json:"dpop_bound_access_tokens_required,omitempty"`          // the API always requires DPoP
}

// URL returns the URL of the document: the well-known path is inserted between the host and the
// path of Resource (RFC 9728 §3.1). It returns "" if Resource is not a valid identifier.
func (m *Metadata) URL() string {
	u := m.location()
	if u == nil {
		return ""
	}
	return u.String()
}

// Path returns the path of URL, for the router.
func (m *Metadata) Path() string {
	u := m.location()
	if u == nil {
		return resourceWellKnown
	}
	return u.EscapedPath()
}

func (m *Metadata) location() *url.URL {
	u, err := url.Parse(m.Resource)
	if err != nil || endpoint.CheckURL(m.Resource) != nil {
		return nil
	}
	path := strings.TrimSuffix(u.EscapedPath(), "/")
	if path != "" {
		path = u.EscapedPath()
	}
	out, err := u.Parse(resourceWellKnown + path)
	if err != nil {
		return nil
	}
	out.RawQuery = u.RawQuery
	return out
}

// ServeHTTP implements http.Handler. Pages of other sites may read the document, which is
// public: the response allows any origin, and a preflight allows any header field.
func (m *Metadata) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("Access-Control-Allow-Origin", "*")
	switch {
	case r.Method == http.MethodOptions:
		h.Set("Access-Control-Allow-Methods", "GET, HEAD")
		h.Set("Access-Control-Allow-Headers", "*")
		h.Set("Access-Control-Max-Age", "3600")
		w.WriteHeader(http.StatusNoContent)
		return
	case r.Method != http.MethodGet && r.Method != http.MethodHead:
		h.Set("Allow", "GET, HEAD, OPTIONS")
		w.WriteHeader(http.StatusMethodNotAllowed)
		return
	case m.location() == nil:
		w.WriteHeader(http.StatusInternalServerError)
		return
	}
	h.Set("Content-Type", "application/json")
	h.Set("Cache-Control", "max-age=3600")
	h.Set("X-Content-Type-Options", "nosniff")
	json.NewEncoder(w).Encode(m)
}
