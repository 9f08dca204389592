package client

import (
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"
	"unicode"

	"github.com/countersign/countersign/internal/endpoint"
	"github.com/countersign/countersign/internal/jose"
	"github.com/countersign/countersign/pkce"
)

// complaints are all faults of a configuration, each with the name of its field.
type complaints []error

func (w *complaints) add(bad bool, format string, args ...any) {
	if bad {
		*w = append(*w, fmt.Errorf("client: Config."+format, args...))
	}
}

// field adds the fault of one field. It ignores a nil error.
func (w *complaints) field(name string, err error) {
	w.add(err != nil, name+" %w", err)
}

func (c *Config) check() error {
	var w complaints
	c.checkServer(&w)
	c.checkClient(&w)
	c.checkResponse(&w)
	c.checkKeys(&w)
	w.add(!c.Profile.valid(), "Profile is %q, expected one of the Profile constants", c.Profile)
	w.add(len(c.missing()) > 0, "Profile %s requires %s", c.Profile, strings.Join(c.missing(), "; "))
	return errors.Join(w...)
}

func (c *Config) checkServer(w *complaints) {
	if c.Issuer == "" {
		w.add(true, "Issuer is empty: set it to the server's issuer URL")
	} else {
		w.field("Issuer:", c.policy().CheckIssuer(c.Issuer))
	}
	c.checkTenants(w)
	if c.DiscoveryURL != "" {
		w.field("DiscoveryURL is", c.policy().CheckURL(c.DiscoveryURL))
	}
	if m := c.Metadata; m != nil {
		w.add(m.Issuer != c.Issuer, "Metadata.Issuer is %q, expected Config.Issuer (%q)", m.Issuer, c.Issuer)
		w.add(m.TokenEndpoint == "", "Metadata.TokenEndpoint is empty: set it")
		w.add(m.AuthorizationEndpoint == "" && c.RedirectURL != "", "Metadata.AuthorizationEndpoint is empty: set it, or leave Config.RedirectURL empty")
		w.add(m.JWKSURI == "" && c.needsKeys(), "Metadata.JWKSURI is empty, and IDTokenKeys is nil: set one of them")
	}
}

func (c *Config) policy() endpoint.Policy { return endpoint.Policy{InsecureHTTP: c.InsecureHTTP} }

// needsKeys reports whether a login ends with a JWT that requires the server's keys.
func (c *Config) needsKeys() bool {
	front := c.signedMode() || strings.Contains(c.ResponseType, "id_token")
	return c.RedirectURL != "" && c.IDTokenKeys == nil && (front || slices.Contains(c.Scopes, "openid") && !c.InsecureSkipSignature)
}

func (c *Config) checkClient(w *complaints) {
	w.add(c.ClientID == "", "ClientID is empty: set it to the client ID that the server assigned")
	w.add(strings.ContainsFunc(c.ClientID, unicode.IsControl), "ClientID is %q, expected a text without line ends: remove them, for example with strings.TrimSpace", c.ClientID)
	w.field("Auth", c.Auth.Check(c.ClientID))
	w.add((c.Auth.UsesCertificate() || c.CertificateBound) && (c.HTTP == nil || c.HTTP.Transport == nil), "HTTP has no Transport: set one that presents the client certificate")
	for name, address := range map[string]string{"RedirectURL": c.RedirectURL, "PostLogoutRedirectURL": c.PostLogoutRedirectURL} {
		if address != "" {
			w.field(name, c.checkRedirectURL(address))
		}
	}
	w.field("LogoutEndpoint", c.LogoutEndpoint.check())
	w.field("Scopes:", checkScopes(c.Scopes))
	w.add(!c.PKCE.Valid(), "PKCE is %d, expected one of the methods of package pkce", c.PKCE)
	w.add(c.PAR < PARAuto || c.PAR > PAROff, "PAR is %d, expected PARAuto, PARRequired or PAROff", c.PAR)
	w.add(c.DefaultLifetime < 0 || c.DefaultLifetime > maxLifetime, "DefaultLifetime is %v, expected 0 to ten years", c.DefaultLifetime)
	w.add(c.Skew < 0 || c.Skew > 5*time.Minute, "Skew is %v, expected 0 to 5m", c.Skew)
	c.checkBindings(w)
}

func (c *Config) checkResponse(w *complaints) {
	w.add(!slices.Contains(responseTypes, c.ResponseType), "ResponseType is %q, expected one of %q", c.ResponseType, responseTypes)
	w.add(!slices.Contains(responseModes, c.ResponseMode), "ResponseMode is %q, expected one of %q", c.ResponseMode, responseModes)
	if c.ResponseType != "" && c.ResponseType != ResponseCode {
		w.add(!slices.Contains(c.Scopes, "openid"), "ResponseType is %q, which requires the scope openid: add it to Scopes", c.ResponseType)
		w.add(strings.HasPrefix(c.ResponseMode, "query"), "ResponseMode is %q, but an ID token must not be sent in the query: set form_post or a signed mode", c.ResponseMode)
	}
}

// checkBindings requires PKCE or a nonce, which bind each login to its request (RFC 9700
// §2.1.1).
func (c *Config) checkBindings(w *complaints) {
	w.add(c.InsecureMissingNonce && (c.InsecureNoPKCE || c.PKCE != pkce.S256), "InsecureMissingNonce requires PKCE S256 without InsecureNoPKCE: PKCE or the nonce must bind the response to the request")
	w.add(c.InsecureNoPKCE && c.Auth.Name() == "none", "InsecureNoPKCE requires a client that authenticates: set Auth to another method than auth.Public")
	w.add(c.InsecureNoPKCE && !slices.Contains(c.Scopes, "openid"), "InsecureNoPKCE requires the scope openid in Scopes: without PKCE only the nonce binds the response to the request")
	w.add(c.MaxSize < 0 || c.MaxSize > jose.MaxSize, "MaxSize is %d, expected 0 to %d", c.MaxSize, jose.MaxSize)
	for _, kind := range c.TokenTypes {
		w.add(kind == "" || strings.EqualFold(kind, "DPoP") || strings.EqualFold(kind, notApplicable), "TokenTypes contains %q, which is not a type of bearer tokens: remove it", kind)
	}
}

func (c *Config) checkKeys(w *complaints) {
	for name, algs := range map[string][]string{
		"ResponseAlgs:": c.ResponseAlgs, "UserInfoAlgs:": c.UserInfoAlgs, "IntrospectionAlgs:": c.IntrospectionAlgs, "IDTokenAlgs:": c.IDTokenAlgs,
	} {
		if len(algs) > 0 {
			w.field(name, jose.CheckAlgs(algs))
		}
	}
	w.add(len(c.UserInfoDecryptionKeys) > 0 && len(c.UserInfoAlgs) == 0, "UserInfoDecryptionKeys is set, but UserInfoAlgs is empty: set both")
	w.add(len(c.IntrospectionDecryptionKeys) > 0 && len(c.IntrospectionAlgs) == 0, "IntrospectionDecryptionKeys is set, but IntrospectionAlgs is empty: set both")
	w.add(len(c.ResponseDecryptionKeys) > 0 && !strings.HasSuffix(c.ResponseMode, "jwt"), "ResponseDecryptionKeys is set, but ResponseMode is not a signed mode: set a mode such as jwt")
	if c.DPoP != nil && c.DPoP.Keys != nil {
		_, err := c.DPoP.Keys.Current().Algorithm()
		w.field("DPoP.Keys:", err)
	}
	if c.RequestObject != nil {
		w.field("RequestObject", c.RequestObject.check())
	}
}

// checkRedirectURL accepts https, http on loopback (elsewhere with InsecureHTTP), and the private schemes of
// native apps (RFC 6749 §3.1.2, RFC 8252 §7).
func (c *Config) checkRedirectURL(s string) error {
	u, err := url.Parse(s)
	switch {
	case strings.ContainsFunc(s, unicode.IsSpace):
		return fmt.Errorf("is %q, expected a URL without white space", s)
	case err != nil || u.Scheme == "":
		return errors.New("is not an absolute URL, expected one such as https://app.example/callback")
	case u.Scheme == "http" || u.Scheme == "https":
		if err := c.policy().CheckURL(s); err != nil {
			return fmt.Errorf("is %w", err)
		}
	case strings.Contains(s, "#"):
		return errors.New("has a fragment, expected a URL without #")
	case slices.Contains(scriptSchemes, strings.ToLower(u.Scheme)):
		return fmt.Errorf("has the scheme %s, which a browser handles itself: use https or a private scheme", u.Scheme)
	}
	return nil
}

// scriptSchemes are the schemes that a browser handles itself.
var scriptSchemes = []string{"javascript", "data", "file", "vbscript", "about", "blob", "view-source", "ws", "wss", "ftp"}

func checkScopes(scopes []string) error {
	for _, s := range scopes {
		if !endpoint.IsScopeToken(s) {
			return fmt.Errorf("%q is not a single scope: use one list element for each scope", s)
		}
	}
	return nil
}

// everyTenant are the names under which Microsoft Entra ID signs in the users of many tenants.
// No token has one of them as its issuer.
var everyTenant = []string{"common", "organizations", "consumers"}

// checkTenants requires an Issuer with {tenantid} if Tenants or AcceptTenant is set.
func (c *Config) checkTenants(w *complaints) {
	if c.hasTenants() != strings.Contains(c.Issuer, "{tenantid}") {
		w.add(true, "Tenants or AcceptTenant must be set if Issuer contains {tenantid}, and only then")
	}
	for _, name := range everyTenant {
		w.add(strings.HasSuffix(strings.TrimSuffix(c.Issuer, "/v2.0"), "/"+name), "Issuer contains %q, which is not a tenant ID of Entra ID: use EntraTenants with tenant IDs or with AcceptTenant", name)
		for _, tenant := range c.Tenants {
			w.add(tenant == name, "Tenants contains %q, which is not a tenant ID: list tenant IDs, or set AcceptTenant", name)
		}
	}
	for _, tenant := range c.Tenants {
		w.add(tenant == "", "Tenants contains an empty tenant ID: remove it")
	}
}

func (c *Config) hasTenants() bool { return len(c.Tenants) > 0 || c.AcceptTenant != nil }
