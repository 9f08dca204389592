package doctor

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// algorithms reports on the algorithms of ID tokens.
func (x *examination) algorithms() {
	const topic = "algorithms"
	x.unsigned()
	algs := x.list("id_token_signing_alg_values_supported")
	if len(algs) == 0 {
		return
	}
	usable := asymmetric(algs)
	switch {
	case len(usable) == 0 && slices.ContainsFunc(known, func(alg string) bool { return misspelled(algs, alg) }):
		x.report.problem(topic, "id_token_signing_alg_values_supported has only "+strings.Join(algs, ", ")+": the values are case-sensitive", "correct the list at the server: RS256, ES256")
	case len(usable) == 0:
		x.report.problem(topic, "the server signs ID tokens only with "+strings.Join(algs, ", "),
			"configure an asymmetric algorithm at the server; for HMAC with the client secret, set IDTokenAlgs and IDTokenKeys: idtoken.SecretKeys(secret)")
	case !slices.Contains(usable, "RS256"):
		x.report.warn(topic, "the server signs ID tokens with "+strings.Join(usable, ", ")+", and the default is RS256", fmt.Sprintf("set client.Config.IDTokenAlgs to []string{%q}, and rs.JWT.Algs", usable[0]))
	}
}

var known = []string{"RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA", "Ed25519"}

func asymmetric(algs []string) []string {
	return slices.DeleteFunc(slices.Clone(algs), func(a string) bool { return !slices.Contains(known, a) })
}

// unsigned reports lists in which none, or a secret that both sides have, weakens what the
// signature is for.
func (x *examination) unsigned() {
	weak := map[string]string{
		"id_token_signing_alg_values_supported":                           "none",
		"token_endpoint_auth_signing_alg_values_supported":                "none", // RFC 8414 section 2
		"introspection_endpoint_auth_signing_alg_values_supported":        "none",
		"revocation_endpoint_auth_signing_alg_values_supported":           "none",
		"authorization_signing_alg_values_supported":                      "none", // JARM section 4
		"introspection_signing_alg_values_supported":                      "none",
		"dpop_signing_alg_values_supported":                               "none HS256 HS384 HS512", // RFC 9449 section 5.1
		"backchannel_authentication_request_signing_alg_values_supported": "none HS256 HS384 HS512",
	}
	for _, name := range slices.Sorted(maps.Keys(weak)) {
		for _, alg := range strings.Fields(weak[name]) {
			if slices.Contains(x.list(name), alg) {
				x.report.warn("algorithms", fmt.Sprintf("%s has %s", name, alg), "remove the value at the server: this module never accepts it, but other software may accept forged tokens")
			}
		}
	}
}

// features reports what a client may use.
func (x *examination) features() {
	x.pkce()
	x.responses()
	x.modes()
	x.contradictions()
	x.logout()
	x.authentication()
}

func (x *examination) pkce() {
	const topic = "pkce"
	methods := x.list("code_challenge_methods_supported")
	switch {
	case x.withoutLogin():
	case len(methods) == 0:
		x.report.warn(topic, "the metadata does not announce PKCE", "the client sends S256 anyway; if the server rejects it, set client.Config.InsecureNoPKCE")
	case misspelled(methods, "S256"):
		x.report.problem(topic, "the server announces "+strings.Join(methods, ", ")+", expected S256: the values are case-sensitive", "correct code_challenge_methods_supported at the server")
	case !slices.Contains(methods, "S256"):
		x.report.problem(topic, "the server announces only "+strings.Join(methods, ", ")+", expected S256", "enable S256 at the server; if it does not support S256, set client.Config.PKCE to pkce.Plain (RFC 7636 section 4.2)")
	}
}

func (x *examination) responses() {
	const topic = "responses"
	if types := x.list("response_types_supported"); len(types) > 0 && !slices.Contains(types, "code") && !x.withoutLogin() {
		x.report.problem(topic, "response_types_supported has no code, only "+strings.Join(types, ", "), "enable the authorization code flow at the server")
	}
	if len(x.list("response_types_supported")) == 0 && !x.withoutLogin() {
		x.report.note(topic, "the metadata has no response_types_supported, which OpenID Connect Discovery 1.0 and RFC 8414 require")
	}
	if announced, _ := x.raw["authorization_response_iss_parameter_supported"].(bool); !announced && !x.withoutLogin() {
		x.report.note(topic, "responses do not name their issuer (RFC 9207): an application with several servers needs a redirect URL for each")
	}
	if required, _ := x.raw["require_pushed_authorization_requests"].(bool); required {
		x.report.note(topic, "every authorization request must be pushed (RFC 9126)")
		if x.text("pushed_authorization_request_endpoint") == "" {
			x.report.problem(topic, "the server requires pushed requests, but its metadata has no pushed_authorization_request_endpoint", "correct the metadata at the server")
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
		x.report.note(topic, "the server can end sessions by back-channel logout: mount Login.BackchannelLogout and set login.Config.Store")
	}
}

func (x *examination) authentication() {
	const topic = "client auth"
	methods := x.list("token_endpoint_auth_methods_supported")
	if len(methods) == 0 {
		return // the default is client_secret_basic
	}
	x.report.note(topic, strings.Join(methods, ", "))
	if !slices.ContainsFunc(methods, func(m string) bool { return slices.Contains(authMethods, m) }) {
		x.report.problem(topic, "the server accepts only "+strings.Join(methods, ", "), "this module supports none of these methods: enable one of "+strings.Join(authMethods, ", "))
	}
}

// authMethods are the methods that the module supports.
var authMethods = []string{"client_secret_basic", "client_secret_post", "client_secret_jwt", "private_key_jwt", "tls_client_auth", "self_signed_tls_client_auth", "none"}
