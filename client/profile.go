package client

import (
	"crypto/tls"
	"fmt"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/countersign/countersign/client/auth"
	"github.com/countersign/countersign/discovery"
	"github.com/countersign/countersign/internal/jose"
	"github.com/countersign/countersign/pkce"
)

// Profile is a set of rules that a deployment must satisfy. New fails with a list of the rules
// that the configuration violates. The first use fails with a list of the rules that the
// server's metadata violates. A response that violates a rule is rejected.
type Profile string

// The profiles.
const (
	NoProfile           Profile = ""
	OIDCBasic           Profile = "OpenID Connect Basic"      // code flow, openid
	OAuth21             Profile = "OAuth 2.1"                 // draft-ietf-oauth-v2-1: code flow, S256
	FAPI1Advanced       Profile = "FAPI 1.0 Advanced"         // request objects, bound tokens, ID tokens as detached signatures or JARM
	FAPI2Security       Profile = "FAPI 2.0 Security Profile" // PAR, S256, iss, asymmetric authentication, bound tokens
	FAPI2MessageSigning Profile = "FAPI 2.0 Message Signing"  // FAPI 2.0 Security Profile with signed requests and responses
	FAPICIBA            Profile = "FAPI-CIBA"                 // FAPI for logins on another device: see BeginBackchannel
)

// rule is a requirement of a profile for the configuration.
type rule struct {
	holds bool
	wants string
}

func (p Profile) valid() bool {
	return slices.Contains([]Profile{NoProfile, OIDCBasic, OAuth21, FAPI1Advanced, FAPI2Security, FAPI2MessageSigning, FAPICIBA}, p)
}

// missing lists the rules of the profile that the configuration violates.
func (c *Config) missing() []string {
	var out []string
	for _, r := range c.rules() {
		if !r.holds {
			out = append(out, r.wants)
		}
	}
	return out
}

// rules depend on the use of the client. The rules for logins in the browser do not apply to a
// client without RedirectURL.
func (c *Config) rules() []rule {
	if c.Profile == NoProfile {
		return nil
	}
	rules := []rule{{len(c.insecure()) == 0, "no Insecure option (remove " + strings.Join(c.insecure(), ", ") + ")"}}
	if c.Profile.isFAPI() {
		rules = append(rules, c.fapiRules()...)
	}
	if c.Profile == FAPICIBA {
		return append(rules, rule{c.RedirectURL == "", "an empty RedirectURL (for logins in the browser create another Client with another FAPI profile)"})
	}
	if c.RedirectURL == "" {
		return rules
	}
	return append(rules, c.redirectRules()...)
}

// redirectRules are for logins in the browser.
func (c *Config) redirectRules() []rule {
	code := rule{c.ResponseType == "" || c.ResponseType == ResponseCode, "ResponseType code"}
	s256 := rule{c.PKCE == pkce.S256, "PKCE S256"}
	switch c.Profile {
	case OIDCBasic:
		return []rule{code, {slices.Contains(c.Scopes, "openid"), "the scope openid"}}
	case OAuth21:
		return []rule{code, s256}
	case FAPI1Advanced:
		return append(c.fapi1Rules(), s256)
	case FAPI2Security:
		return append(c.fapi2Rules(), code, s256)
	}
	return append(c.fapi2Rules(), code, s256,
		rule{c.RequestObject != nil, "RequestObject"},
		rule{c.signedMode(), "a signed ResponseMode, such as jwt"},
	)
}

// fapiRules are common to the FAPI profiles.
func (c *Config) fapiRules() []rule {
	algs, assertion := strings.Join(c.Profile.algs(), ", "), c.Auth.Assertion()
	return append([]rule{
		{c.Auth.UsesCertificate() || c.Auth.Name() == "private_key_jwt", "Auth to be PrivateKeyJWT, TLS or SelfSignedTLS"},
		{assertion == nil || assertion.Audience == "" && len(assertion.Endpoints) == 0, "an Assertion without Audience and Endpoints"},
		{assertion == nil || c.allows(c.Auth.Alg()), "an Assertion signed with one of " + algs},
		{c.CertificateBound || c.DPoP != nil && !c.DPoP.InsecureAllowBearer && c.Profile != FAPI1Advanced, "bound access tokens (CertificateBound, or DPoP with FAPI 2.0)"},
		{c.DPoP == nil || c.DPoP.Keys == nil || c.allows(algOf(c.DPoP.Keys)), "DPoP.Keys that sign with one of " + algs},
		{c.allows(c.IDTokenAlgs...) || c.RedirectURL == "" && len(c.IDTokenAlgs) == 0, "IDTokenAlgs from " + algs},
		{len(c.ResponseAlgs) == 0 && !c.signedMode() || c.allows(c.ResponseAlgs...), "ResponseAlgs from " + algs},
		{len(c.UserInfoAlgs) == 0 || c.allows(c.UserInfoAlgs...), "UserInfoAlgs from " + algs},
		{len(c.IntrospectionAlgs) == 0 || c.allows(c.IntrospectionAlgs...), "IntrospectionAlgs from " + algs},
		{c.IssuerAlias == "" && !c.hasTenants(), "one issuer (no IssuerAlias and no Tenants)"},
		{!c.Profile.isFAPI2() || c.Skew == 0 || c.Skew >= minFAPI2Skew && c.Skew <= maxFAPI2Skew, "a Skew from 10s to 1m"},
		{!weakTLS(c.HTTP), "an HTTP client that uses TLS 1.2 or later and verifies the server's certificate"},
		{!c.CertificateBound && !c.Auth.UsesCertificate() || showsCertificate(c.HTTP), "an HTTP client that presents the client certificate"},
	}, c.objectRules(algs)...)
}

// objectRules are the rules for request objects, if they are used.
func (c *Config) objectRules(algs string) []rule {
	o := c.RequestObject
	if o == nil {
		return nil
	}
	return []rule{
		{c.allows(o.alg()), "a RequestObject signed with one of " + algs},
		{o.Audience == "", "a RequestObject without Audience"},
	}
}

// The limits that servers apply (FAPI 2.0 Security Profile §5.3.2.1).
const (
	minFAPI2Skew = 10 * time.Second
	maxFAPI2Skew = time.Minute
)

// fapi2Rules are the rules of FAPI 2.0 Security Profile §5.3.3.
func (c *Config) fapi2Rules() []rule {
	return []rule{
		{c.PAR != PAROff, "PAR"},
		{!c.RepeatParameters, "RepeatParameters false"},
	}
}

// fapi1Rules are the rules of FAPI 1.0 Advanced §5.2.3.
func (c *Config) fapi1Rules() []rule {
	hybrid := c.ResponseType == ResponseCodeIDToken
	return []rule{
		{c.RequestObject != nil, "RequestObject"},
		{hybrid || c.ResponseType != ResponseIDToken && c.signedMode(), "ResponseType code id_token, or code with a signed ResponseMode such as jwt"},
	}
}

func (c *Config) signedMode() bool { return strings.HasSuffix(c.ResponseMode, "jwt") }

// algs returns the signature algorithms of a profile, nil for any: FAPI 1.0 Advanced §8.6, FAPI
// 2.0 Security Profile §5.4.1.
func (p Profile) algs() []string {
	switch {
	case p == FAPI1Advanced:
		return []string{"PS256", "ES256"}
	case p.isFAPI(): // also FAPI-CIBA, which may be used with either
		return []string{"PS256", "ES256", "EdDSA", "Ed25519"}
	}
	return nil
}

// allows reports whether there is at least one algorithm, and the profile allows all of them.
func (c *Config) allows(algs ...string) bool {
	return len(algs) > 0 && !slices.ContainsFunc(algs, func(a string) bool { return c.Profile.checkAlg(a) != nil })
}

// checkAlg is also called before each signature, because keys may be rotated after New.
func (p Profile) checkAlg(alg string) error {
	if algs := p.algs(); algs != nil && !slices.Contains(algs, alg) {
		return fmt.Errorf("Profile %s does not allow the algorithm %q, expected one of %q", p, alg, algs)
	}
	return nil
}

// signer returns the signer of a key, if the profile allows its algorithm.
func (p Profile) signer(key auth.SigningKey) (*jose.Signer, error) {
	s, err := jose.NewSigner(key.Key, key.Alg, key.KeyID)
	if err != nil {
		return nil, err
	}
	return s, p.checkAlg(s.Alg())
}

// algOf returns the algorithm with which a source signs, or "" if it cannot sign.
func algOf(keys auth.KeySource) string {
	if keys == nil {
		return ""
	}
	alg, _ := keys.Current().Algorithm()
	return alg
}

func (p Profile) isFAPI() bool  { return p == FAPI1Advanced || p == FAPICIBA || p.isFAPI2() }
func (p Profile) isFAPI2() bool { return p == FAPI2Security || p == FAPI2MessageSigning }

// requiresPAR, requiresIss and requiresStateHash report what a profile requires of requests and
// responses.
func (p Profile) requiresPAR() bool       { return p.isFAPI2() }
func (p Profile) requiresIss() bool       { return p.isFAPI2() }
func (p Profile) requiresStateHash() bool { return p == FAPI1Advanced }

// checkMetadata lists the rules of the profile that the server violates. It is called at the
// first use.
func (c *Config) checkMetadata(m *discovery.Metadata) error {
	var missing []string
	for _, r := range []rule{
		{!c.Profile.requiresPAR() || c.RedirectURL == "" || m.PushedAuthorizationRequestEndpoint != "", "pushed_authorization_request_endpoint"},
		// RFC 9207 §2.4: the issuer is in a signed response already
		{!c.Profile.requiresIss() || c.RedirectURL == "" || c.signedMode() || m.AuthorizationResponseIssParameterSupported, "authorization_response_iss_parameter_supported"},
		// no response shows whether a token is bound to a certificate
		{!c.Profile.isFAPI() || c.DPoP != nil || m.TLSClientCertificateBoundAccessTokens, "tls_client_certificate_bound_access_tokens"},
	} {
		if !r.holds {
			missing = append(missing, r.wants)
		}
	}
	if len(missing) == 0 {
		return nil
	}
	return fmt.Errorf("Config.Profile %s requires a server whose metadata has %s", c.Profile, strings.Join(missing, ", "))
}

// insecure names the Insecure options that are set, in the order of Config's fields. Profiles
// reject all of them, so a new option needs no rule.
func (c *Config) insecure() []string {
	out := switchedOn("", reflect.ValueOf(c).Elem())
	if c.DPoP != nil {
		out = append(out, switchedOn("DPoP.", reflect.ValueOf(c.DPoP).Elem())...)
	}
	return out
}

func switchedOn(prefix string, v reflect.Value) (out []string) {
	for i := range v.NumField() {
		if name := v.Type().Field(i).Name; strings.HasPrefix(name, "Insecure") && !v.Field(i).IsZero() {
			out = append(out, prefix+name)
		}
	}
	return out
}

// tlsOf returns the TLS configuration of a standard transport. For any other transport known is
// false.
func tlsOf(hc *http.Client) (c *tls.Config, known bool) {
	if hc == nil || hc.Transport == nil {
		return &tls.Config{}, true
	}
	t, ok := hc.Transport.(*http.Transport)
	//lint:ignore SA1019 an application may still set DialTLS
	if !ok || t.DialTLSContext != nil || t.DialTLS != nil {
		return nil, false
	}
	if t.TLSClientConfig == nil {
		return &tls.Config{}, true
	}
	return t.TLSClientConfig, true
}

// weakTLS reports whether hc accepts TLS below 1.2 or does not verify the server.
func weakTLS(hc *http.Client) bool {
	c, known := tlsOf(hc)
	if !known {
		return false
	}
	old := func(version uint16) bool { return version != 0 && version < tls.VersionTLS12 }
	return old(c.MinVersion) || old(c.MaxVersion) || c.InsecureSkipVerify && c.VerifyConnection == nil && c.VerifyPeerCertificate == nil
}

// showsCertificate reports whether hc has a client certificate, as far as this can be seen.
func showsCertificate(hc *http.Client) bool {
	c, known := tlsOf(hc)
	return !known || len(c.Certificates) > 0 || c.GetClientCertificate != nil
}
