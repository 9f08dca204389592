package playground

// explanation is what a parameter is for, and the clause that defines it.
type explanation struct{ text, clause string }

// explanations are of parameters of requests and members of responses. A name that means
// something else in some messages is in explanationsIn too.
var explanations = map[string]explanation{
	// The authorization request.
	"response_type":         {"What the server returns through the browser: a code.", "RFC 6749 §3.1.1"},
	"client_id":             {"The application that makes the request.", "RFC 6749 §2.2"},
	"redirect_uri":          {"The address for the response. It must be registered at the server.", "RFC 6749 §3.1.2"},
	"scope":                 {"The scopes that the application requests, or that the server granted.", "RFC 6749 §3.3"},
	"state":                 {"Binds the response to this browser.", "RFC 6749 §4.1.1, §10.12"},
	"nonce":                 {"Binds the ID token to this login.", "OpenID Connect Core §3.1.2.1"},
	"code_challenge":        {"The hash of a secret that only the application knows.", "RFC 7636 §4.3"},
	"code_challenge_method": {"The method of the hash: S256.", "RFC 7636 §4.3"},
	"response_mode":         {"How the response is sent: in the query, in a form, or as a signed JWT.", "OAuth 2.0 Multiple Response Type Encoding Practices §2.1"},
	"request":               {"The request as a signed JWT.", "RFC 9101 §5.1"},
	"request_uri":           {"Refers to the request that the application has pushed.", "RFC 9126 §4"},
	"dpop_jkt":              {"The thumbprint of the DPoP key. The code works only with that key.", "RFC 9449 §10"},
	"acr_values":            {"The required strength of the sign-in.", "OpenID Connect Core §3.1.2.1"},
	"max_age":               {"The maximum time since the user signed in, in seconds.", "OpenID Connect Core §3.1.2.1"},
	"prompt":                {"Whether the server must ask the user again.", "OpenID Connect Core §3.1.2.1"},
	"resource":              {"The API that the access token is for.", "RFC 8707 §2"},

	// The authorization response.
	"code":          {"The authorization code. It works once, for a short time.", "RFC 6749 §4.1.2"},
	"iss":           {"The server that responds. The application compares it with the expected issuer.", "RFC 9207 §2"},
	"response":      {"The response as a signed JWT: code, state and iss are in it.", "JARM §2.3"},
	"session_state": {"The server's session state, for pages that watch it. The playground does not use it.", "OpenID Connect Session Management §2"},

	// The token request. The parameters of client authentication are also in other requests.
	"grant_type":            {"What the application exchanges for tokens, such as a code or a refresh token.", "RFC 6749 §4.1.3, §4.5, §6"},
	"code_verifier":         {"The secret behind code_challenge. It proves that the sender began this login.", "RFC 7636 §4.5"},
	"client_secret":         {"The application's secret.", "RFC 6749 §2.3.1"},
	"client_assertion":      {"A JWT that the application signs, instead of a secret.", "RFC 7521 §4.2, RFC 7523 §2.2"},
	"client_assertion_type": {"Says that the assertion is a JWT.", "RFC 7521 §4.2, RFC 7523 §2.2"},
	"refresh_token":         {"Gets new access tokens without the user.", "RFC 6749 §1.5, §6"},
	"device_code":           {"The code with which the device asks whether the user has allowed the login.", "RFC 8628 §3.2, §3.4"},
	"subject_token":         {"The token to exchange.", "RFC 8693 §2.1"},
	"subject_token_type":    {"The type of the subject token.", "RFC 8693 §2.1"},
	"audience":              {"The service that the new token is for.", "RFC 8693 §2.1"},

	// The token response.
	"access_token":       {"The token that the application sends to the API.", "RFC 6749 §1.4, §5.1"},
	"id_token":           {"The JWT that names the user who signed in. The server has signed it.", "OpenID Connect Core §2, §3.1.3.3"},
	"token_type":         {"How the access token is used: Bearer or DPoP.", "RFC 6749 §5.1, §7.1"},
	"expires_in":         {"The lifetime of the access token in seconds.", "RFC 6749 §5.1"},
	"refresh_expires_in": {"The lifetime of the refresh token in seconds. Only Keycloak sends it.", "Keycloak"},
	"not-before-policy":  {"Tokens from before this time are revoked. Only Keycloak sends it.", "Keycloak"},
	"issued_token_type":  {"The type of the token that was issued.", "RFC 8693 §2.2.1"},

	// Errors.
	"error":             {"Why the request was rejected, as a code.", "RFC 6749 §4.1.2.1, §5.2"},
	"error_description": {"Why the request was rejected, for a developer.", "RFC 6749 §4.1.2.1, §5.2"},
	"error_uri":         {"A page about the error.", "RFC 6749 §4.1.2.1, §5.2"},

	// Introspection and revocation.
	"token":           {"The token that the request is about.", "RFC 7662 §2.1, RFC 7009 §2.1"},
	"token_type_hint": {"The type of the token.", "RFC 7662 §2.1, RFC 7009 §2.1"},
	"active":          {"Whether the token is valid now.", "RFC 7662 §2.2"},

	// The device.
	"user_code":                 {"The code that the user enters or compares.", "RFC 8628 §3.2"},
	"verification_uri":          {"The page where the user enters the code.", "RFC 8628 §3.2"},
	"verification_uri_complete": {"The same page with the code in its address, for a QR code.", "RFC 8628 §3.2, §3.3.1"},
	"interval":                  {"How many seconds the device waits before it asks again.", "RFC 8628 §3.2"},

	// The rest.
	"logout_token": {"The JWT that names the session that has ended. The server has signed it.", "OpenID Connect Back-Channel Logout §2.5"},
	"keys":         {"The server's public keys.", "RFC 7517 §5.1"},
	"sub":          {"The user, as this server names them.", "OpenID Connect Core §2"},
	"return_to":    {"The page to return to after the login. The application accepts only its own paths.", "RFC 9700 §4.11"},
}

// The kinds of messages in which a name means something else.
const (
	kindMetadata      = "metadata"
	kindPushed        = "pushed"
	kindIntrospection = "introspection"
	kindDevice        = "device"
	kindAPI           = "api"
)

var explanationsIn = map[string]map[string]explanation{
	kindMetadata: metadataExplanations,
	kindPushed: {
		"request_uri": {"The reference to this request. The browser sends it, and it works once.", "RFC 9126 §2.2"},
		"expires_in":  {"The lifetime of the reference in seconds.", "RFC 9126 §2.2"},
	},
	kindDevice: {"expires_in": {"The lifetime of the codes in seconds.", "RFC 8628 §3.2"}},
	kindIntrospection: {
		"scope":      {"What the token allows.", "RFC 7662 §2.2"},
		"client_id":  {"The application that got the token.", "RFC 7662 §2.2"},
		"token_type": {"How the token is used: Bearer or DPoP.", "RFC 7662 §2.2"},
		"exp":        {"When the token expires, in seconds since 1970.", "RFC 7662 §2.2"},
		"iat":        {"When the token was issued.", "RFC 7662 §2.2"},
		"sub":        {"The user that the token is for.", "RFC 7662 §2.2"},
		"aud":        {"The API that the token is for.", "RFC 7662 §2.2"},
		"iss":        {"The server that issued the token.", "RFC 7662 §2.2"},
		"jti":        {"The unique identifier of the token.", "RFC 7662 §2.2"},
		"acr":        {"How the user signed in.", "RFC 9470 §6.2"},
		"auth_time":  {"When the user signed in.", "RFC 9470 §6.2"},
		"cnf":        {"The key or certificate that the token is bound to.", "RFC 9449 §6.2, RFC 8705 §3.2"},
	},
	kindAPI: {
		"error":             {"Why the API rejects the request, as a code.", "RFC 6750 §3.1"},
		"error_description": {"Why the API rejects the request, for a developer.", "RFC 6750 §3"},
		"acr_values":        {"The strength of the sign-in that this request requires.", "RFC 9470 §3"},
		"max_age":           {"The maximum time since the user signed in, in seconds.", "RFC 9470 §3"},
		"scope":             {"The scope that the request requires.", "RFC 6750 §3"},
		"photos":            {"The response of the photo album.", "no standard: this API's own"},
		"user":              {"The user that the access token is for.", "no standard: this API's own"},
		"client":            {"The application that calls.", "no standard: this API's own"},
	},
}

// explain returns the explanation of a parameter in a kind of message.
func explain(kind, name string) explanation {
	if e, ok := explanationsIn[kind][name]; ok {
		return e
	}
	return explanations[name]
}
