package playground

const (
	discoveryClause = "OpenID Connect Discovery §3"
	metadataClause  = "RFC 8414 §2"
)

// metadataExplanations are of the members of the server's metadata.
var metadataExplanations = map[string]explanation{
	"issuer":                   {"The server's issuer identifier. The application compares it with the expected issuer.", discoveryClause},
	"authorization_endpoint":   {"Where the browser sends the authorization request.", discoveryClause},
	"token_endpoint":           {"Where the application gets tokens.", discoveryClause},
	"userinfo_endpoint":        {"Where the application asks for claims about the user.", discoveryClause},
	"jwks_uri":                 {"Where the server's public keys are.", discoveryClause},
	"registration_endpoint":    {"Where an application can register itself.", discoveryClause},
	"scopes_supported":         {"The scopes that the server supports.", discoveryClause},
	"response_types_supported": {"What the server can return through the browser (response types).", discoveryClause},
	"response_modes_supported": {"How the server can return it (response modes).", discoveryClause},
	"grant_types_supported":    {"What the server exchanges for tokens (grant types).", discoveryClause},
	"acr_values_supported":     {"The strengths of sign-in that the server supports (acr).", discoveryClause},
	"subject_types_supported":  {"Whether every application sees the same sub for a user, or each its own.", discoveryClause},
	"claims_supported":         {"The claims that the server may return.", discoveryClause},

	"id_token_signing_alg_values_supported":       {"How the server signs ID tokens.", discoveryClause},
	"userinfo_signing_alg_values_supported":       {"How the server signs UserInfo responses.", discoveryClause},
	"request_object_signing_alg_values_supported": {"How the application may sign its requests.", discoveryClause},
	"request_parameter_supported":                 {"Whether the server accepts signed requests.", discoveryClause},
	"request_uri_parameter_supported":             {"Whether the server fetches requests from the application.", discoveryClause},
	"claims_parameter_supported":                  {"Whether the application may request single claims (parameter claims).", discoveryClause},

	"token_endpoint_auth_methods_supported":            {"How the application can authenticate.", discoveryClause},
	"token_endpoint_auth_signing_alg_values_supported": {"How the application may sign its assertions.", discoveryClause},

	"code_challenge_methods_supported": {"The PKCE methods that the server accepts.", metadataClause},
	"introspection_endpoint":           {"Where an API asks whether a token is valid.", metadataClause},
	"revocation_endpoint":              {"Where the application revokes a token.", metadataClause},

	"introspection_endpoint_auth_methods_supported":            {"How an API can authenticate there.", metadataClause},
	"introspection_endpoint_auth_signing_alg_values_supported": {"How an API may sign its assertions there.", metadataClause},
	"revocation_endpoint_auth_methods_supported":               {"How the application can authenticate there.", metadataClause},
	"revocation_endpoint_auth_signing_alg_values_supported":    {"How the application may sign its assertions there.", metadataClause},
	"introspection_signing_alg_values_supported":               {"How the server signs introspection responses.", "RFC 9701 §7"},

	"authorization_response_iss_parameter_supported": {"Whether each authorization response has iss.", "RFC 9207 §3"},
	"authorization_signing_alg_values_supported":     {"How the server signs authorization responses (JARM).", "JARM §4"},
	"pushed_authorization_request_endpoint":          {"Where the application pushes its request.", "RFC 9126 §5"},
	"require_pushed_authorization_requests":          {"Whether each request must be pushed.", "RFC 9126 §5"},
	"dpop_signing_alg_values_supported":              {"How the application may sign DPoP proofs.", "RFC 9449 §5.1"},
	"tls_client_certificate_bound_access_tokens":     {"Whether access tokens can be bound to a certificate.", "RFC 8705 §3.3"},
	"mtls_endpoint_aliases":                          {"The endpoints for applications with a certificate.", "RFC 8705 §5"},
	"device_authorization_endpoint":                  {"Where a device starts a login.", "RFC 8628 §4"},

	"backchannel_authentication_endpoint":        {"Where the application starts a login that the user confirms on a phone (CIBA).", "OpenID Connect CIBA §4"},
	"backchannel_token_delivery_modes_supported": {"How the application learns that the user has answered (CIBA).", "OpenID Connect CIBA §4"},
	"backchannel_logout_supported":               {"Whether the server tells applications that a session has ended.", "OpenID Connect Back-Channel Logout §2.1"},
	"backchannel_logout_session_supported":       {"Whether a back-channel logout says which session has ended.", "OpenID Connect Back-Channel Logout §2.1"},
	"frontchannel_logout_supported":              {"Whether the server loads a page of each application at a logout.", "OpenID Connect Front-Channel Logout §3"},
	"frontchannel_logout_session_supported":      {"Whether a front-channel logout says which session has ended.", "OpenID Connect Front-Channel Logout §3"},
	"end_session_endpoint":                       {"Where the browser goes to sign out.", "OpenID Connect RP-Initiated Logout §2.1"},
	"prompt_values_supported":                    {"The values of prompt that the server supports.", "OpenID Connect Prompt Create §4.2"},
}
