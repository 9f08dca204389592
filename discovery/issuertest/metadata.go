package issuertest

import (
	"encoding/json"
	"net/http"
)

func (i *Issuer) metadata(w http.ResponseWriter, _ *http.Request) {
	m := map[string]any{"issuer": i.URL}
	for name, e := range published {
		m[name] = i.URL + string(e)
	}
	for name, values := range i.supported() {
		m[name] = values
	}
	if i.keys.decryption != nil {
		m["request_object_encryption_alg_values_supported"] = requestEncryption
		m["request_object_encryption_enc_values_supported"] = []string{"A128GCM", "A192GCM", "A256GCM", "A128CBC-HS256", "A192CBC-HS384", "A256CBC-HS512"}
	}
	for _, name := range switches {
		m[name] = true
	}
	if i.faults.has(MetadataIssuerForeign) {
		m["issuer"] = foreignIssuer
	}
	if i.faults.has(MetadataEndpointsPlain) {
		m["token_endpoint"] = "http://issuer.example/token"
	}
	answerJSON(w, http.StatusOK, edited(i.config.Edit.Metadata, overlay(m, i.config.Metadata)))
}

var published = map[string]Endpoint{
	"authorization_endpoint": AuthorizationEndpoint, "token_endpoint": TokenEndpoint, "jwks_uri": JWKSEndpoint,
	"userinfo_endpoint": UserInfoEndpoint, "introspection_endpoint": IntrospectionEndpoint,
	"revocation_endpoint": RevocationEndpoint, "device_authorization_endpoint": DeviceEndpoint,
	"pushed_authorization_request_endpoint": PAREndpoint, "backchannel_authentication_endpoint": BackchannelEndpoint,
	"end_session_endpoint": EndSessionEndpoint, "registration_endpoint": RegistrationEndpoint,
}

var switches = []string{
	"authorization_response_iss_parameter_supported", "request_parameter_supported", "claims_parameter_supported",
	"backchannel_logout_supported", "backchannel_logout_session_supported", "frontchannel_logout_supported",
	"frontchannel_logout_session_supported", "tls_client_certificate_bound_access_tokens",
}

// The algorithms that clients may use.
var clientAlgs = []string{"RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA", "HS256", "HS384", "HS512"}

var authMethods = []string{
	"client_secret_basic", "client_secret_post", "client_secret_jwt", "private_key_jwt", "tls_client_auth",
	"self_signed_tls_client_auth", "none",
}

const (
	grantCode          = "authorization_code"
	grantRefresh       = "refresh_token"
	grantClient        = "client_credentials"
	grantJWT           = "urn:ietf:params:oauth:grant-type:jwt-bearer"
	grantExchange      = "urn:ietf:params:oauth:grant-type:token-exchange"
	grantDevice        = "urn:ietf:params:oauth:grant-type:device_code"
	grantCIBA          = "urn:openid:params:grant-type:ciba"
	typeAccessToken    = "urn:ietf:params:oauth:token-type:access_token"
	typeIDToken        = "urn:ietf:params:oauth:token-type:id_token"
	pushedURIPrefix    = "urn:ietf:params:oauth:request_uri:"
	logoutEvent        = "http://schemas.openid.net/event/backchannel-logout"
	scopeOfflineAccess = "offline_access"
)

func (i *Issuer) supported() map[string][]string {
	alg := []string{i.config.Algorithm}
	return map[string][]string{
		"response_types_supported": {"code", "code id_token", "id_token"},
		"response_modes_supported": {"query", "fragment", "form_post", "jwt", "query.jwt", "fragment.jwt", "form_post.jwt"},
		"grant_types_supported":    {grantCode, grantRefresh, grantClient, grantJWT, grantExchange, grantDevice, grantCIBA},
		"subject_types_supported":  {"public"}, "id_token_signing_alg_values_supported": alg,
		"userinfo_signing_alg_values_supported": alg, "introspection_signing_alg_values_supported": alg,
		"authorization_signing_alg_values_supported": alg, "request_object_signing_alg_values_supported": clientAlgs,
		"token_endpoint_auth_methods_supported": authMethods, "token_endpoint_auth_signing_alg_values_supported": clientAlgs,
		"introspection_endpoint_auth_methods_supported": authMethods, "introspection_endpoint_auth_signing_alg_values_supported": clientAlgs,
		"revocation_endpoint_auth_methods_supported": authMethods, "revocation_endpoint_auth_signing_alg_values_supported": clientAlgs,
		"dpop_signing_alg_values_supported":          {"ES256", "ES384", "ES512", "RS256", "PS256", "EdDSA"},
		"code_challenge_methods_supported":           {"S256", "plain"},
		"backchannel_token_delivery_modes_supported": {"poll", "ping"},
		"scopes_supported":                           {"openid", "profile", "email", "address", "phone", scopeOfflineAccess},
		"claims_supported":                           {"sub", "iss", "auth_time", "acr", "amr", "name", "given_name", "family_name", "email", "email_verified"},
		"prompt_values_supported":                    {"none", "login", "consent", "select_account"},
	}
}

func (i *Issuer) jwks(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", contentJSON)
	w.Write(json.RawMessage(i.keys.set()))
}
