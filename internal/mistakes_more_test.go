package internal_test

import (
	"net/http/httptest"
	"strings"
	"time"

	"github.com/countersign/countersign/client"
	"github.com/countersign/countersign/discovery"
	"github.com/countersign/countersign/discovery/issuertest"
	"github.com/countersign/countersign/rs"
)

const openIDMetadata = "/.well-known/openid-configuration"

// withMetadata is an issuer with other metadata.
func withMetadata(name string, value any) func(*firstDay) {
	return func(d *firstDay) { d.serve(issuertest.Config{Metadata: map[string]any{name: value}}) }
}

// withClaim is an issuer whose ID tokens have another claim, or lack it.
func withClaim(name string, value any) func(*firstDay) {
	return editing(issuertest.Edit{IDToken: func(m map[string]any) {
		m[name] = value
		if value == nil {
			delete(m, name)
		}
	}})
}

// withMember is an issuer whose token responses have another member.
func withMember(name string, value any) func(*firstDay) {
	return editing(issuertest.Edit{Token: func(m map[string]any) { m[name] = value }})
}

const (
	operator  = "configuration_error"
	down      = "temporarily_unavailable"
	compareAt = "compare Config.ClientID, Config.Auth and Config.RedirectURL"
)

var moreServers = []serverMistake{
	{"a nested error with 401", responds("/token", 401, `{"error":{"code":"unauthorized","message":"No such client"}}`), operator, []string{"No such client", "Config.ClientID and Config.Auth"}},
	{"problem details", responds("/token", 400, `{"type":"about:blank","title":"Bad Request","detail":"Unknown client"}`), operator, []string{"Bad Request, Unknown client", compareAt}},
	{"an array of errors", responds("/token", 400, `[{"errorCode":"APP_DISABLED","message":"The application is disabled"}]`), operator, []string{"The application is disabled", compareAt}},
	{"an error as a sentence", responds("/token", 400, "Client not found"), operator, []string{"Client not found", compareAt}},
	{"an unknown status", responds("/token", 422, `{"errors":["redirect_uri is not registered"]}`), operator, []string{"redirect_uri is not registered", compareAt}},
	{"a firewall with a reference", responds("/token", 403, "<html><title>Blocked</title><body>Support ID 4711</body></html>"), operator, []string{"Blocked Support ID 4711", "firewall"}},
	{"a gateway without a server", responds("/token", 502, "<html><title>502 Bad Gateway</title></html>"), down, []string{"502 Bad Gateway", "token request"}},
	{"a server that is overloaded", responds("/token", 429, "slow down"), down, []string{"status 429", "slow down"}},
	{"a server in maintenance", responds("/token", 503, `{"error":"server_error","error_description":"maintenance"}`), down, []string{"maintenance"}},
	{"an empty response", responds("/token", 200, ""), operator, []string{"Content-Type"}},
	{"an error of WeChat", responds("/token", 200, `{"errcode":40125,"errmsg":"invalid appsecret"}`), operator, []string{"access_token is missing", "40125, invalid appsecret"}},
	{"a nested error with 200", responds("/token", 200, `{"error":{"message":"Unknown app"}}`), operator, []string{"Unknown app"}},
	{"no content", responds("/token", 204, ""), operator, []string{"status 204"}},
	{"a grant that is off", responds("/token", 400, `{"error":"unsupported_grant_type"}`), operator, []string{"enable this grant"}},
	{"a scope at the token endpoint", responds("/token", 400, `{"error":"invalid_scope"}`), operator, []string{"Config.Scopes"}},
	{"unknown application at Entra ID", responds("/token", 400, `{"error":"unauthorized_client","error_description":"AADSTS700016: Application was not found in the directory"}`), operator, []string{"AADSTS700016", "Config.ClientID"}},
	{"expired secret at Entra ID", responds("/token", 401, `{"error":"invalid_client","error_description":"AADSTS7000222: The provided client secret keys are expired"}`), operator, []string{"AADSTS7000222", "Config.Auth"}},
	{"a long description", responds("/token", 401, `{"error":"invalid_client","error_description":"`+strings.Repeat("ab ", 150)+`the useful part"}`), operator, []string{"the useful part"}},
	{"MAC tokens", withMember("token_type", "mac"), operator, []string{"Config.TokenTypes"}},
	{"a lifetime that is a word", withMember("expires_in", "soon"), operator, []string{"expires_in"}},
	{"ID token without exp", withClaim("exp", nil), operator, []string{"exp is missing: correct the server"}},
	{"ID token without iat", withClaim("iat", nil), operator, []string{"iat is missing"}},
	{"ID token without sub", withClaim("sub", nil), operator, []string{"sub"}},
	{"ID token in milliseconds", withClaim("exp", time.Now().UnixMilli()), operator, []string{"more than ten years after now", "milliseconds, expected seconds"}},
	{"ID token of another issuer", withClaim("iss", "https://login.example"), operator, []string{`iss is \"https://login.example\"`}},
	{"ID token for another party", withClaim("azp", "other"), operator, []string{"add it to AuthorizedParties"}},
	{"wrong endpoint for pushed requests", responds("/par", 404, "<html>"), operator, []string{"Config.Metadata"}},
	{"a page for a pushed request", responds("/par", 200, "<html>"), operator, []string{"text/html"}},
	{"a pushed request without its URI", responds("/par", 201, `{"expires_in":60}`), operator, []string{"request_uri", "Config.PAR"}},
	{"an endpoint for pushed requests that fails", responds("/par", 500, "<html>"), down, []string{"status 500"}},
	{"Facebook's error for a pushed request", responds("/par", 400, `{"error":{"message":"Unknown app"}}`), operator, []string{"Unknown app", compareAt}},
	{"metadata behind a login", responds(openIDMetadata, 401, "<html>"), operator, []string{"credentials"}},
	{"metadata that is empty", responds(openIDMetadata, 200, "{}"), operator, []string{"the metadata is of issuer"}},
	{"metadata that is an array", responds(openIDMetadata, 200, "[]"), operator, []string{"not a JSON object"}},
	{"metadata behind a gateway", responds(openIDMetadata, 504, "<html>"), down, []string{"status 504"}},
	{"metadata without a token endpoint", withMetadata("token_endpoint", nil), operator, []string{"token_endpoint is missing", "set Metadata"}},
	{"metadata with http endpoints", withMetadata("token_endpoint", "http://login.example/token"), operator, []string{"expected https because the issuer uses https"}},
	{"no key set", responds("/jwks", 404, "<html>"), operator, []string{"the server has no key set at this address"}},
	{"a key set without keys", responds("/jwks", 200, `{"keys":[]}`), operator, []string{"key"}},
	{"a page for the key set", responds("/jwks", 200, "<html>"), operator, []string{"text/html"}},
	{"a key set that fails", responds("/jwks", 500, "<html>"), down, []string{"status 500"}},
	{"Facebook's error at UserInfo", userInfo(responds("/userinfo", 400, `{"error":{"message":"Malformed access token"}}`)), operator, []string{"Malformed access token", "Config.Scopes"}},
	{"UserInfo that is down", userInfo(responds("/userinfo", 503, "<html>")), down, []string{"status 503"}},
	{"pushed requests that the server requires", func(d *firstDay) {
		withMetadata("require_pushed_authorization_requests", true)(d)
		d.client.PAR = client.PAROff
	}, operator, []string{"Config.PAR"}},
}

var moreCalls = []callMistake{
	{"an introspection endpoint that fails", introspected(500, "<html><title>Oops</title>", unchanged), 503, "Oops", ""},
	{"an introspection endpoint that is overloaded", introspected(429, "slow down", unchanged), 503, "status 429", ""},
	{"a nested error of introspection", introspected(400, `{"error":{"message":"Unknown resource server"}}`, unchanged), 503, "Unknown resource server", ""},
	{"active as text", introspected(200, `{"active":"true","sub":"alice"}`, unchanged), 503, "check that Introspection.URL is", ""},
	{"an array for introspection", introspected(200, `[true]`, unchanged), 503, "introspection", ""},
	{"a refresh token", introspected(200, `{"active":true,"sub":"alice","token_type":"refresh_token","aud":"https://api.example"}`, unchanged), 401, "send the access token", ""},
	{"introspection of another issuer", introspected(200, `{"active":true,"sub":"alice","iss":"https://login.example","aud":"https://api.example"}`, unchanged), 401, "iss is", ""},
	{"introspection without credentials", introspected(200, "{}", func(i *rs.Introspection) { i.Auth = nil }), 503, "Introspection.Auth is nil", "Introspection.Auth is nil"},
	{"introspection with a wide skew", introspected(200, "{}", func(i *rs.Introspection) { i.Skew = time.Hour }), 503, "Introspection.Skew is 1h, expected 0 to 5m", "Introspection.Skew is 1h"},
	{"an address without a scheme", introspected(200, "{}", func(i *rs.Introspection) { i.URL = "login.example/introspect" }), 503, "Introspection.URL is", "Introspection.URL is"},
	{"no server that introspects", introspected(200, "{}", func(i *rs.Introspection) { i.URL = "" }), 503, "Introspection.URL is empty", "Introspection.URL is empty"},
	{"a wide skew", changed(func(d *firstDay) { d.api.Skew = 26280 * time.Hour }), 503, "JWT.Skew is 3 years, expected 0 to 5m", "JWT.Skew is 3 years"},
	{"the algorithm none", changed(func(d *firstDay) { d.api.Algs = []string{"none"} }), 503, "JWT.Algs", "JWT.Algs"},
	{"another algorithm", changed(func(d *firstDay) { d.api.Algs = []string{"ES256"} }), 401, "set JWT.Algs", ""},
	{"another typ", changed(func(d *firstDay) { d.api.Typ = "token+jwt" }), 401, "typ", ""},
	{"keys of a server that is down", changed(func(d *firstDay) {
		gone := httptest.NewServer(nil)
		gone.Close()
		d.api.Keys = (&discovery.Provider{Issuer: gone.URL}).Keys()
	}), 503, "connection refused", "connection refused"},
	{"keys without a path", changed(func(d *firstDay) {
		d.api.Keys = (&discovery.Provider{Issuer: d.issuer.URL + "/realms/none", HTTP: d.issuer.Client()}).Keys()
	}), 503, "the server has no metadata at this address", "the server has no metadata at this address"},
	{"the scheme of Django", sent(func(token string) string { return "Token " + token }), 401, "does not begin with Bearer", ""},
	{"the scheme JWT", sent(func(token string) string { return "JWT " + token }), 401, "does not begin with Bearer", ""},
	{"a DPoP token at an API for bearer tokens", sent(func(token string) string { return "DPoP " + token }), 401, "Protection.DPoP is nil", ""},
	{"two tokens", sent(func(token string) string { return "Bearer " + token + ", Bearer " + token }), 400, "Authorization header is malformed", ""},
	{"a token with a line end", sent(func(token string) string { return "Bearer " + token + "\n" }), 400, "Authorization header is malformed", ""},
	{"a token with its file's name", sent(func(token string) string { return "Bearer @token.txt" }), 400, "Authorization header is malformed", ""},
	{"no subject", func(d *firstDay) (rs.Verifier, string) {
		return d.api, "Bearer " + d.issuer.AccessToken(issuertest.AccessToken{Claims: map[string]any{"sub": nil}})
	}, 401, "sub", ""},
	{"no issuer", func(d *firstDay) (rs.Verifier, string) {
		return d.api, "Bearer " + d.issuer.AccessToken(issuertest.AccessToken{Claims: map[string]any{"iss": nil}})
	}, 401, "iss", ""},
	{"no audience in tokens", func(d *firstDay) (rs.Verifier, string) {
		return d.api, "Bearer " + d.issuer.AccessToken(issuertest.AccessToken{Claims: map[string]any{"aud": nil}})
	}, 401, "aud", ""},
	{"times in milliseconds", func(d *firstDay) (rs.Verifier, string) {
		return d.api, "Bearer " + d.issuer.AccessToken(issuertest.AccessToken{Claims: map[string]any{"exp": time.Now().UnixMilli()}})
	}, 401, "milliseconds, expected seconds", ""},
}
