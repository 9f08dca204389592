package client

import (
	"errors"
	"slices"
	"strings"

	"github.com/countersign/countersign/discovery"
	"github.com/countersign/countersign/pkce"
)

// Profile is a set of rules that a deployment promises to keep. With one, New fails with
// the list of what the configuration lacks, the first use with what the server lacks, and
// an answer that is weaker than the rules is refused.
type Profile string

// The profiles.
const (
	NoProfile           Profile = ""
	OIDCBasic           Profile = "OpenID Connect Basic"      // code flow, openid
	OAuth21             Profile = "OAuth 2.1"                 // draft-ietf-oauth-v2-1: code flow, S256
	FAPI1Advanced       Profile = "FAPI 1.0 Advanced"         // request objects, bound tokens, ID tokens as detached signatures or JARM
	FAPI2Security       Profile = "FAPI 2.0 Security Profile" // PAR, S256, iss, asymmetric authentication, bound tokens
	FAPI2MessageSigning Profile = "FAPI 2.0 Message Signing"  // and signed requests and responses
)

// fapiAlgs are the algorithms that the FAPI profiles allow.
var fapiAlgs = []string{"PS256", "ES256", "EdDSA", "Ed25519"}

// rule is something that a profile wants of a configuration.
type rule struct {
	holds bool
	wants string
}

func (p Profile) valid() bool {
	return slices.Contains([]Profile{NoProfile, OIDCBasic, OAuth21, FAPI1Advanced, FAPI2Security, FAPI2MessageSigning}, p)
}

// missing lists what the configuration lacks for its profile.
func (c *Config) missing() []string {
	var out []string
	for _, r := range c.rules() {
		if !r.holds {
			out = append(out, r.wants)
		}
	}
	return out
}

func (c *Config) rules() []rule {
	code := rule{c.ResponseType == "" || c.ResponseType == ResponseCode, "ResponseType code"}
	s256 := rule{c.PKCE == pkce.S256, "PKCE S256"}
	switch c.Profile {
	case OIDCBasic:
		return []rule{code, {slices.Contains(c.Scopes, "openid"), "the scope openid"}}
	case OAuth21:
		return []rule{code, s256}
	case FAPI1Advanced:
		return append(c.fapiRules(), c.fapi1Rules()...)
	case FAPI2Security:
		return append(c.fapiRules(), c.fapi2Rules()...)
	case FAPI2MessageSigning:
		return append(append(c.fapiRules(), c.fapi2Rules()...),
			rule{c.RequestObject != nil, "RequestObject"},
			rule{strings.HasSuffix(c.ResponseMode, "jwt"), "a signed ResponseMode"})
	}
	return nil
}

// fapiRules are common to the FAPI profiles.
func (c *Config) fapiRules() []rule {
	return []rule{
		{c.Auth.overTLS() || c.Auth.method == "private_key_jwt", "Auth PrivateKeyJWT, TLS or SelfSignedTLS"},
		{c.Auth.assertion == nil || c.Auth.assertion.Audience == "", "an Assertion for the issuer"},
		{c.Auth.alg == nil || slices.Contains(fapiAlgs, c.Auth.alg()), "an Assertion by PS256, ES256 or EdDSA"},
		{c.CertificateBound || c.DPoP != nil && !c.DPoP.InsecureAllowBearer && c.Profile != FAPI1Advanced, "access tokens bound by CertificateBound or (FAPI 2.0) DPoP"},
		{within(c.IDTokenAlgs), "IDTokenAlgs of PS256, ES256 or EdDSA"},
		{len(c.ResponseAlgs) == 0 && !strings.HasSuffix(c.ResponseMode, "jwt") || within(c.ResponseAlgs), "ResponseAlgs of PS256, ES256 or EdDSA"},
		{len(c.UserInfoAlgs) == 0 || within(c.UserInfoAlgs), "UserInfoAlgs of PS256, ES256 or EdDSA"},
		{len(c.IntrospectionAlgs) == 0 || within(c.IntrospectionAlgs), "IntrospectionAlgs of PS256, ES256 or EdDSA"},
		{c.RequestObject == nil || c.RequestObject.Keys != nil && slices.Contains(fapiAlgs, c.RequestObject.alg()), "a RequestObject by PS256, ES256 or EdDSA"},
		{c.PKCE == pkce.S256, "PKCE S256"},
	}
}

// fapi2Rules: FAPI 2.0 Security Profile §5.3.3.
func (c *Config) fapi2Rules() []rule {
	return []rule{
		{c.ResponseType == "" || c.ResponseType == ResponseCode, "ResponseType code"},
		{c.PAR != PAROff, "PAR"},
		{!c.RepeatParameters, "nothing but client_id and request_uri in the browser (RepeatParameters)"},
	}
}

// fapi1Rules: FAPI 1.0 Advanced §5.2.3.
func (c *Config) fapi1Rules() []rule {
	return []rule{
		{c.RequestObject != nil, "RequestObject"},
		{c.ResponseType == ResponseCodeIDToken || strings.HasSuffix(c.ResponseMode, "jwt"), "ResponseType code id_token, or a signed ResponseMode"},
	}
}

func within(algs []string) bool {
	return len(algs) > 0 && !slices.ContainsFunc(algs, func(a string) bool { return !slices.Contains(fapiAlgs, a) })
}

func (p Profile) isFAPI2() bool { return p == FAPI2Security || p == FAPI2MessageSigning }

// requiresPAR, requiresIss and requiresStateHash are what a profile wants of requests and
// answers.
func (p Profile) requiresPAR() bool       { return p.isFAPI2() }
func (p Profile) requiresIss() bool       { return p.isFAPI2() }
func (p Profile) requiresStateHash() bool { return p == FAPI1Advanced }

// checkServer lists what the server lacks for the profile, at the first use.
func (p Profile) checkServer(m *discovery.Metadata) error {
	var missing []string
	if p.requiresPAR() && m.PushedAuthorizationRequestEndpoint == "" {
		missing = append(missing, "pushed_authorization_request_endpoint")
	}
	if p.requiresIss() && !m.AuthorizationResponseIssParameterSupported {
		missing = append(missing, "authorization_response_iss_parameter_supported")
	}
	if len(missing) == 0 {
		return nil
	}
	return errors.New("Profile " + string(p) + " needs a server with " + strings.Join(missing, ", "))
}
