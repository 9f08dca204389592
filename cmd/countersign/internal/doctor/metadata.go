package doctor

import (
	"fmt"
	"slices"
	"strings"

	"github.com/countersign/countersign/discovery"
)

// list gives a member that is a list of strings.
func (x *examination) list(name string) []string {
	values, _ := x.raw[name].([]any)
	var all []string
	for _, v := range values {
		if s, ok := v.(string); ok {
			all = append(all, s)
		}
	}
	return all
}

func (x *examination) text(name string) string { s, _ := x.raw[name].(string); return s }

// endpoints reports on the addresses in the metadata.
func (x *examination) endpoints() {
	const topic = "endpoints"
	for _, name := range []string{
		"authorization_endpoint", "token_endpoint", "jwks_uri", "userinfo_endpoint", "introspection_endpoint", "revocation_endpoint",
		"end_session_endpoint", "pushed_authorization_request_endpoint", "device_authorization_endpoint", "backchannel_authentication_endpoint", "registration_endpoint",
	} {
		value, present := x.raw[name]
		address, ok := value.(string)
		switch {
		case !present:
		case !ok:
			x.report.problem(topic, name+" is not a string", "the metadata is rejected: correct it at the server")
		case discovery.CheckURL(address) != nil && !x.InsecureHTTP:
			x.report.problem(topic, fmt.Sprintf("%s is %q, which %v", name, address, discovery.CheckURL(address)), "correct it at the server")
		}
	}
	if x.text("token_endpoint") == "" {
		x.report.problem(topic, "the metadata names no token_endpoint", "no code can be exchanged: correct the metadata, or configure client.Config.Metadata")
	}
	if x.text("authorization_endpoint") == "" && !x.withoutLogin() {
		x.report.problem(topic, "the metadata names no authorization_endpoint", "no login can begin: correct the metadata, or configure client.Config.Metadata")
	}
}

// withoutLogin: a server whose grants have no login in the browser.
func (x *examination) withoutLogin() bool {
	grants := x.list("grant_types_supported")
	return len(grants) > 0 && !slices.Contains(grants, "authorization_code") && !slices.Contains(grants, "implicit")
}

// algorithms reports on those of ID tokens.
func (x *examination) algorithms() {
	const topic = "algorithms"
	algs := x.list("id_token_signing_alg_values_supported")
	if len(algs) == 0 {
		return
	}
	if slices.Contains(algs, "none") {
		x.report.note(topic, "the server offers ID tokens without a signature (none); they are always rejected")
	}
	usable := asymmetric(algs)
	switch {
	case len(usable) == 0:
		x.report.problem(topic, "ID tokens can only be signed by "+strings.Join(algs, ", "),
			"choose an asymmetric algorithm at the server; for HMAC with the client secret, set IDTokenAlgs and IDTokenKeys: idtoken.SecretKeys(secret)")
	case !slices.Contains(usable, "RS256"):
		x.report.warn(topic, "ID tokens are not signed by RS256 but by "+strings.Join(usable, ", "), fmt.Sprintf("set client.Config.IDTokenAlgs to []string{%q}, and rs.JWT.Algs", usable[0]))
	}
}

var known = []string{"RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA", "Ed25519"}

func asymmetric(algs []string) []string {
	return slices.DeleteFunc(slices.Clone(algs), func(a string) bool { return !slices.Contains(known, a) })
}

// features reports what a client may use.
func (x *examination) features() {
	x.pkce()
	x.responses()
	x.logout()
	x.authentication()
}

func (x *examination) pkce() {
	const topic = "pkce"
	methods := x.list("code_challenge_methods_supported")
	switch {
	case x.withoutLogin():
	case len(methods) == 0:
		x.report.warn(topic, "the metadata does not announce PKCE", "S256 is sent all the same; a server that rejects it needs an Insecure option")
	case !slices.Contains(methods, "S256"):
		x.report.problem(topic, "the server announces only "+strings.Join(methods, ", "), "set client.Config.PKCE to pkce.Plain if the server cannot do S256 (RFC 7636 section 4.2)")
	}
}

func (x *examination) responses() {
	const topic = "responses"
	if types := x.list("response_types_supported"); len(types) > 0 && !slices.Contains(types, "code") && !x.withoutLogin() {
		x.report.problem(topic, "response_types_supported has no code, only "+strings.Join(types, ", "), "enable the authorization code flow at the server")
	}
	if announced, _ := x.raw["authorization_response_iss_parameter_supported"].(bool); !announced && !x.withoutLogin() {
		x.report.note(topic, "responses do not name their issuer (RFC 9207): an application with several servers needs a redirect URL for each")
	}
	if required, _ := x.raw["require_pushed_authorization_requests"].(bool); required {
		x.report.note(topic, "every authorization request must be pushed (RFC 9126)")
		if x.text("pushed_authorization_request_endpoint") == "" {
			x.report.problem(topic, "pushed requests are required, and the metadata names no endpoint for them", "correct the metadata")
		}
	}
	if required, _ := x.raw["require_signed_request_object"].(bool); required {
		x.report.note(topic, "every authorization request must be signed: set client.Config.RequestObject (RFC 9101)")
	}
}

func (x *examination) logout() {
	const topic = "logout"
	if x.text("end_session_endpoint") == "" && x.text("ping_end_session_endpoint") == "" {
		x.report.note(topic, "no end_session_endpoint: signing out ends the session at the application only, unless client.Config.LogoutEndpoint is set")
	}
	if supported, _ := x.raw["backchannel_logout_supported"].(bool); supported {
		x.report.note(topic, "the server can end sessions by back-channel logout: mount BackchannelLogout and use a Store")
	}
}

func (x *examination) authentication() {
	const topic = "client auth"
	methods := x.list("token_endpoint_auth_methods_supported")
	if len(methods) == 0 {
		return // the default is client_secret_basic
	}
	x.report.note(topic, strings.Join(methods, ", "))
}
