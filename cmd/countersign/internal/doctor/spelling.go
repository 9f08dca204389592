package doctor

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// registered are the values of lists whose names are case-sensitive.
var registered = map[string][]string{
	"code_challenge_methods_supported":                 {"S256", "plain"},
	"id_token_signing_alg_values_supported":            known,
	"token_endpoint_auth_methods_supported":            authMethods,
	"token_endpoint_auth_signing_alg_values_supported": known,
	"dpop_signing_alg_values_supported":                known,
	"response_types_supported":                         {"code"},
	"response_modes_supported":                         {"query", "fragment", "form_post", "jwt", "query.jwt", "fragment.jwt", "form_post.jwt"},
	"grant_types_supported":                            {"authorization_code", "refresh_token", "client_credentials", "implicit"},
}

// spelling reports names in another case than in the specifications, because clients compare the
// exact name.
func (x *examination) spelling() {
	for _, name := range slices.Sorted(maps.Keys(x.raw)) {
		if !isList[name] {
			continue
		}
		if all, ok := x.raw[name].([]any); ok && len(all) == 0 {
			x.report.note(metadataTopic, name+" is empty: RFC 8414 section 2 requires the server to omit an empty list")
		}
		for _, value := range x.list(name) {
			x.element(name, value)
		}
	}
}

func (x *examination) element(name, value string) {
	right := sameButCase(registered[name], value)
	switch {
	case strings.TrimSpace(value) == "":
		x.report.warn(metadataTopic, name+" has an empty element", "remove it at the server")
	case name != "response_types_supported" && strings.Contains(value, " "), registered[name] != nil && strings.Contains(value, ","):
		x.report.warn(metadataTopic, fmt.Sprintf("%s has the one element %q", name, cut(value)), "correct it at the server: write each value as a separate element")
	case right != "":
		x.report.warn(metadataTopic, fmt.Sprintf("%s has %q, expected %q: the values are case-sensitive", name, value, right), "correct it at the server")
	}
}

// sameButCase returns the right spelling of a value, or "" if it is right or unknown.
func sameButCase(right []string, value string) string {
	for _, r := range right {
		if r != value && strings.EqualFold(r, value) && !slices.Contains(right, value) {
			return r
		}
	}
	return ""
}

// misspelled reports that a list has a value in another case only.
func misspelled(all []string, value string) bool {
	return !slices.Contains(all, value) && slices.ContainsFunc(all, func(s string) bool { return strings.EqualFold(s, value) })
}

// contradictions are lists that cannot both be true.
func (x *examination) contradictions() {
	grants, types := x.list("grant_types_supported"), x.list("response_types_supported")
	if len(grants) > 0 && !slices.Contains(grants, "authorization_code") && slices.Contains(types, "code") && !misspelled(grants, "authorization_code") {
		x.report.warn("responses", "response_types_supported has code, but grant_types_supported has no authorization_code", "correct one of them at the server; the authorization code flow needs both")
	}
	if a, b := x.text("authorization_endpoint"), x.text("token_endpoint"); a != "" && a == b {
		x.report.problem("endpoints", "authorization_endpoint and token_endpoint are the same address", "correct the metadata: the browser opens one, and the application posts to the other")
	}
	x.assertionAlgs()
	x.requestAlgs()
}

// assertionAlgs compares the algorithms of client assertions with the methods that use them.
func (x *examination) assertionAlgs() {
	const name = "token_endpoint_auth_signing_alg_values_supported"
	methods, algs := x.list("token_endpoint_auth_methods_supported"), x.list(name)
	if len(algs) == 0 {
		return
	}
	hmac := slices.ContainsFunc(algs, func(a string) bool { return strings.HasPrefix(a, "HS") })
	if slices.Contains(methods, "private_key_jwt") && len(asymmetric(algs)) == 0 {
		x.report.warn("client auth", "private_key_jwt is listed, but "+name+" has only "+strings.Join(algs, ", "), "add the algorithms of private keys, such as PS256 or ES256, at the server")
	}
	if slices.Contains(methods, "client_secret_jwt") && !hmac {
		x.report.warn("client auth", "client_secret_jwt is listed, but "+name+" has only "+strings.Join(algs, ", "), "add HS256 at the server, or remove client_secret_jwt")
	}
}

func (x *examination) requestAlgs() {
	const name = "request_object_signing_alg_values_supported"
	algs := x.list(name)
	if required, _ := x.raw["require_signed_request_object"].(bool); required && len(algs) > 0 && len(asymmetric(algs)) == 0 {
		x.report.problem("responses", "requests must be signed, but "+name+" has only "+strings.Join(algs, ", "), "add an asymmetric algorithm at the server")
	}
}

// modes reports on the response modes. query is the default, so a server need not list it.
func (x *examination) modes() {
	modes := x.list("response_modes_supported")
	switch mode := x.responseMode(); {
	case len(modes) == 0 || x.withoutLogin() || slices.Contains(modes, "query"):
	case mode == "":
		x.report.problem("responses", "response_modes_supported has only "+strings.Join(modes, ", "), "a fragment does not reach the application's server: enable query or form_post")
	default:
		x.report.warn("responses", "response_modes_supported has no query, only "+strings.Join(modes, ", "), fmt.Sprintf("set client.Config.ResponseMode to %q", mode))
	}
}

// responseMode returns the response_mode to set, or "".
func (x *examination) responseMode() string {
	modes := x.list("response_modes_supported")
	if len(modes) == 0 || slices.Contains(modes, "query") {
		return ""
	}
	for _, mode := range []string{"form_post", "query.jwt", "form_post.jwt", "jwt"} {
		if slices.Contains(modes, mode) {
			return mode
		}
	}
	return ""
}
