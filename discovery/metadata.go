package discovery

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/countersign/countersign/internal/endpoint"
	"github.com/countersign/countersign/internal/jose"
)

// Metadata is a server's metadata: the registered members of OpenID Connect Discovery 1.0 §3, RFC
// 8414 §2 and of the RFCs that the comments name. A missing member has the zero value of its type.
// If the specification defines a default for it, the member's comment says so. A default never
// extends what the application configured.
type Metadata struct {
	Issuer                             string   `json:"issuer"`                                // issuer identifier
	AuthorizationEndpoint              string   `json:"authorization_endpoint"`                // where the browser is sent, RFC 6749 §3.1
	TokenEndpoint                      string   `json:"token_endpoint"`                        // RFC 6749 §3.2
	UserInfoEndpoint                   string   `json:"userinfo_endpoint"`                     // OpenID Connect Core §5.3
	JWKSURI                            string   `json:"jwks_uri"`                              // URL of the public keys
	RegistrationEndpoint               string   `json:"registration_endpoint"`                 // RFC 7591 §3
	RevocationEndpoint                 string   `json:"revocation_endpoint"`                   // RFC 7009 §2.1
	IntrospectionEndpoint              string   `json:"introspection_endpoint"`                // RFC 7662 §2
	EndSessionEndpoint                 string   `json:"end_session_endpoint"`                  // OpenID Connect RP-Initiated Logout 1.0 §2.1
	PingEndSessionEndpoint             string   `json:"ping_end_session_endpoint"`             // specific to PingFederate
	PingRevokedSRIsEndpoint            string   `json:"ping_revoked_sris_endpoint"`            // specific to PingFederate
	PushedAuthorizationRequestEndpoint string   `json:"pushed_authorization_request_endpoint"` // RFC 9126 §5
	DeviceAuthorizationEndpoint        string   `json:"device_authorization_endpoint"`         // RFC 8628 §4
	BackchannelAuthenticationEndpoint  string   `json:"backchannel_authentication_endpoint"`   // OpenID Connect CIBA Core 1.0 §4
	CheckSessionIframe                 string   `json:"check_session_iframe"`                  // OpenID Connect Session Management 1.0 §3.3
	ScopesSupported                    []string `json:"scopes_supported"`                      // perhaps not all
	ResponseTypesSupported             []string `json:"response_types_supported"`              // such as "code"
	ResponseModesSupported             []string `json:"response_modes_supported"`              // default: query, fragment
	GrantTypesSupported                []string `json:"grant_types_supported"`                 // default: authorization_code, implicit
	ACRValuesSupported                 []string `json:"acr_values_supported"`                  // the values of the claim acr
	SubjectTypesSupported              []string `json:"subject_types_supported"`               // "pairwise", "public"
	DisplayValuesSupported             []string `json:"display_values_supported"`              // the values of the request parameter display
	ClaimTypesSupported                []string `json:"claim_types_supported"`                 // default: normal
	ClaimsSupported                    []string `json:"claims_supported"`                      // names of claims, perhaps not all
	ClaimsLocalesSupported             []string `json:"claims_locales_supported"`              // language tags of claim values
	UILocalesSupported                 []string `json:"ui_locales_supported"`                  // language tags of the pages
	PromptValuesSupported              []string `json:"prompt_values_supported"`               // OpenID Connect Prompt Create 1.0
	ServiceDocumentation               string   `json:"service_documentation"`                 // URL of a page for developers
	OPPolicyURI                        string   `json:"op_policy_uri"`                         // URL of the rules for the use of user data
	OPTOSURI                           string   `json:"op_tos_uri"`                            // URL of the terms of service
	SignedMetadata                     string   `json:"signed_metadata"`                       // RFC 8414 §2.1; ignored

	IDTokenSigningAlgValuesSupported           []string `json:"id_token_signing_alg_values_supported"`                           // of ID tokens: JWS alg
	IDTokenEncryptionAlgValuesSupported        []string `json:"id_token_encryption_alg_values_supported"`                        // of ID tokens: JWE alg
	IDTokenEncryptionEncValuesSupported        []string `json:"id_token_encryption_enc_values_supported"`                        // of ID tokens: JWE enc
	UserInfoSigningAlgValuesSupported          []string `json:"userinfo_signing_alg_values_supported"`                           // of UserInfo responses: JWS alg
	UserInfoEncryptionAlgValuesSupported       []string `json:"userinfo_encryption_alg_values_supported"`                        // of UserInfo responses: JWE alg
	UserInfoEncryptionEncValuesSupported       []string `json:"userinfo_encryption_enc_values_supported"`                        // of UserInfo responses: JWE enc
	RequestObjectSigningAlgValuesSupported     []string `json:"request_object_signing_alg_values_supported"`                     // of request objects: JWS alg
	RequestObjectEncryptionAlgValuesSupported  []string `json:"request_object_encryption_alg_values_supported"`                  // of request objects: JWE alg
	RequestObjectEncryptionEncValuesSupported  []string `json:"request_object_encryption_enc_values_supported"`                  // of request objects: JWE enc
	AuthorizationSigningAlgValuesSupported     []string `json:"authorization_signing_alg_values_supported"`                      // JARM
	AuthorizationEncryptionAlgValuesSupported  []string `json:"authorization_encryption_alg_values_supported"`                   // of authorization responses: JWE alg
	AuthorizationEncryptionEncValuesSupported  []string `json:"authorization_encryption_enc_values_supported"`                   // of authorization responses: JWE enc
	IntrospectionSigningAlgValuesSupported     []string `json:"introspection_signing_alg_values_supported"`                      // RFC 9701 §7
	IntrospectionEncryptionAlgValuesSupported  []string `json:"introspection_encryption_alg_values_supported"`                   // of introspection responses: JWE alg
	IntrospectionEncryptionEncValuesSupported  []string `json:"introspection_encryption_enc_values_supported"`                   // of introspection responses: JWE enc
	DPoPSigningAlgValuesSupported              []string `json:"dpop_signing_alg_values_supported"`                               // RFC 9449 §5.1
	BackchannelAuthRequestSigningAlgsSupported []string `json:"backchannel_authentication_request_signing_alg_values_supported"` // of CIBA requests: JWS alg (OpenID Connect CIBA Core 1.0 §4)

	TokenEndpointAuthMethodsSupported                  []string `json:"token_endpoint_auth_methods_supported"`                    // default: client_secret_basic
	TokenEndpointAuthSigningAlgValuesSupported         []string `json:"token_endpoint_auth_signing_alg_values_supported"`         // of client assertions: JWS alg
	RevocationEndpointAuthMethodsSupported             []string `json:"revocation_endpoint_auth_methods_supported"`               // default: client_secret_basic
	RevocationEndpointAuthSigningAlgValuesSupported    []string `json:"revocation_endpoint_auth_signing_alg_values_supported"`    // of client assertions: JWS alg
	IntrospectionEndpointAuthMethodsSupported          []string `json:"introspection_endpoint_auth_methods_supported"`            // no default
	IntrospectionEndpointAuthSigningAlgValuesSupported []string `json:"introspection_endpoint_auth_signing_alg_values_supported"` // of client assertions: JWS alg

	CodeChallengeMethodsSupported              []string `json:"code_challenge_methods_supported"`                  // RFC 8414 §2
	AuthorizationResponseIssParameterSupported bool     `json:"authorization_response_iss_parameter_supported"`    // RFC 9207 §3
	RequirePushedAuthorizationRequests         bool     `json:"require_pushed_authorization_requests"`             // RFC 9126 §5
	RequireSignedRequestObject                 bool     `json:"require_signed_request_object"`                     // RFC 9101 §10.5
	RequestParameterSupported                  bool     `json:"request_parameter_supported"`                       // default: false
	RequestURIParameterSupported               *bool    `json:"request_uri_parameter_supported"`                   // default: true
	RequireRequestURIRegistration              bool     `json:"require_request_uri_registration"`                  // request_uri values must be registered; default: false
	ClaimsParameterSupported                   bool     `json:"claims_parameter_supported"`                        // default: false
	TLSClientCertificateBoundAccessTokens      bool     `json:"tls_client_certificate_bound_access_tokens"`        // RFC 8705 §3.3
	BackchannelLogoutSupported                 bool     `json:"backchannel_logout_supported"`                      // OpenID Connect Back-Channel Logout 1.0 §2.1
	BackchannelLogoutSessionSupported          bool     `json:"backchannel_logout_session_supported"`              // logout tokens can contain sid
	FrontchannelLogoutSupported                bool     `json:"frontchannel_logout_supported"`                     // OpenID Connect Front-Channel Logout 1.0 §3
	FrontchannelLogoutSessionSupported         bool     `json:"frontchannel_logout_session_supported"`             // logout requests can contain iss and sid
	BackchannelTokenDeliveryModesSupported     []string `json:"backchannel_token_delivery_modes_supported"`        // OpenID Connect CIBA Core 1.0 §4
	BackchannelUserCodeParameterSupported      bool     `json:"backchannel_user_code_parameter_supported"`         // the server accepts a user code; default: false
	AuthorizationDetailsTypesSupported         []string `json:"authorization_details_types_supported"`             // RFC 9396 §10
	AuthorizationGrantProfilesSupported        []string `json:"authorization_grant_profiles_supported"`            // draft-ietf-oauth-identity-assertion-authz-grant §7
	IdentityChainingRequestedTokenTypes        []string `json:"identity_chaining_requested_token_types_supported"` // draft-ietf-oauth-identity-chaining
	ProtectedResources                         []string `json:"protected_resources"`                               // RFC 9728 §4
	ClientIDMetadataDocumentSupported          bool     `json:"client_id_metadata_document_supported"`             // a client_id can be the URL of its metadata (draft-ietf-oauth-client-id-metadata-document)

	MTLSEndpointAliases *EndpointAliases `json:"mtls_endpoint_aliases"` // RFC 8705 §5
}

// EndpointAliases are the endpoints for requests with a client certificate, RFC 8705 §5.
type EndpointAliases struct {
	// Each field replaces the endpoint of the same name. "" means that the endpoint has no alias.
	TokenEndpoint                      string `json:"token_endpoint"`
	RevocationEndpoint                 string `json:"revocation_endpoint"`
	IntrospectionEndpoint              string `json:"introspection_endpoint"`
	UserInfoEndpoint                   string `json:"userinfo_endpoint"`
	PushedAuthorizationRequestEndpoint string `json:"pushed_authorization_request_endpoint"`
	DeviceAuthorizationEndpoint        string `json:"device_authorization_endpoint"`
	BackchannelAuthenticationEndpoint  string `json:"backchannel_authentication_endpoint"`
	RegistrationEndpoint               string `json:"registration_endpoint"`
}

// MTLS returns the metadata for requests with a client certificate. Each endpoint that has an
// alias is replaced by the alias (RFC 8705 §5).
func (m *Metadata) MTLS() *Metadata {
	a := m.MTLSEndpointAliases
	if a == nil {
		return m
	}
	out := *m
	for _, e := range []struct {
		endpoint *string
		alias    string
	}{
		{&out.TokenEndpoint, a.TokenEndpoint},
		{&out.RevocationEndpoint, a.RevocationEndpoint},
		{&out.IntrospectionEndpoint, a.IntrospectionEndpoint},
		{&out.UserInfoEndpoint, a.UserInfoEndpoint},
		{&out.PushedAuthorizationRequestEndpoint, a.PushedAuthorizationRequestEndpoint},
		{&out.DeviceAuthorizationEndpoint, a.DeviceAuthorizationEndpoint},
		{&out.BackchannelAuthenticationEndpoint, a.BackchannelAuthenticationEndpoint},
		{&out.RegistrationEndpoint, a.RegistrationEndpoint},
	} {
		if e.alias != "" {
			*e.endpoint = e.alias
		}
	}
	return &out
}

// parse decodes and checks a server's metadata. The members that a login uses are decoded
// strictly. Any other member of the wrong type is ignored: administrators edit these
// documents, and a mistake in an unused member must not break every login.
func parse(body []byte, issuer string, policy endpoint.Policy) (*Metadata, error) {
	var members map[string]jsontext.Value
	if err := jose.Decode(body, &members, jose.DocumentLimits); err != nil {
		return nil, err
	}
	m := &Metadata{}
	for name, field := range m.fields() {
		value, ok := members[name]
		if !ok || value.Kind() == 'n' {
			continue
		}
		if err := json.Unmarshal(value, field.Addr().Interface()); err != nil {
			if slices.Contains(strict, name) {
				return nil, fmt.Errorf("metadata: %s has the wrong type", name)
			}
			field.SetZero()
		}
	}
	m.dropUnused(issuer, policy)
	return m, m.check(issuer, policy)
}

// strict lists the members that a login uses.
var strict = []string{
	"issuer", "authorization_endpoint", "token_endpoint", "jwks_uri", "userinfo_endpoint", "introspection_endpoint",
	"pushed_authorization_request_endpoint", "mtls_endpoint_aliases", "authorization_response_iss_parameter_supported",
	"require_pushed_authorization_requests", "require_signed_request_object",
}

// fields returns the settable fields of m by the name of their JSON member.
func (m *Metadata) fields() map[string]reflect.Value {
	v := reflect.ValueOf(m).Elem()
	out := make(map[string]reflect.Value, v.NumField())
	for i := range v.NumField() {
		out[v.Type().Field(i).Tag.Get("json")] = v.Field(i)
	}
	return out
}

// dropUnused clears invalid endpoints that a login does not use. A caller that needs one gets
// the error for a missing endpoint.
func (m *Metadata) dropUnused(issuer string, policy endpoint.Policy) {
	fields := m.fields()
	for _, e := range m.endpoints() {
		field, ok := fields[e.name]
		if ok && !slices.Contains(strict, e.name) && checkEndpoint(e.url, issuer, policy) != nil {
			field.SetZero()
		}
	}
}

// check returns an error unless the metadata's issuer is issuer and all endpoints are https
// URLs. It compares the issuers character by character (OpenID Connect Discovery 1.0 §4.3,
// RFC 8414 §3.3). http is accepted on loopback, if the issuer uses http too.
func (m *Metadata) check(issuer string, policy endpoint.Policy) error {
	if m.Issuer != issuer {
		return issuerError(m.Issuer, issuer)
	}
	var wrong []string
	for _, e := range m.endpoints() {
		if e.url == "" {
			continue
		}
		if err := checkEndpoint(e.url, issuer, policy); err != nil {
			wrong = append(wrong, e.name+" is "+err.Error())
		}
	}
	return complaint(wrong)
}

// issuerError names the setting to change if the metadata has another issuer. There are two
// cases: a server that publishes its metadata under another address, and Entra ID.
func issuerError(got, configured string) error {
	if strings.Contains(got, "{tenantid}") {
		return fmt.Errorf("the metadata is of issuer %s, expected %s: this address is for users of many tenants. "+
			"Use client.EntraTenants, or set Issuer with the ID of one tenant", jose.Quote(got), jose.Quote(configured))
	}
	return fmt.Errorf("the metadata is of issuer %s, expected %s: set Issuer to the first value if you trust that server. "+
		"If its metadata is not under that address, set Provider.URL (Config.DiscoveryURL) to the metadata's address",
		jose.Quote(got), jose.Quote(configured))
}

// checkEndpoint requires https if the issuer uses https.
func checkEndpoint(u, issuer string, policy endpoint.Policy) error {
	if !policy.InsecureHTTP && strings.HasPrefix(issuer, "https:") && strings.HasPrefix(u, "http:") {
		return errors.New("an http URL, expected https because the issuer uses https: correct the server, or set Metadata")
	}
	return policy.CheckURL(u)
}

// signsIn reports whether the server supports a grant with a browser. A server whose
// grant_types_supported lists none needs no authorization_endpoint and no keys (RFC 8414 §2).
func (m *Metadata) signsIn() bool {
	return len(m.GrantTypesSupported) == 0 || slices.Contains(m.GrantTypesSupported, "authorization_code") || slices.Contains(m.GrantTypesSupported, "implicit")
}

// checkComplete returns one error that lists every missing member. Keys are required for a login
// with OpenID Connect, but not for access tokens (RFC 8414 §2).
func (m *Metadata) checkComplete(keys bool) error {
	var missing []string
	for _, e := range m.endpoints() {
		if e.required && e.url == "" && (keys || e.name != "jwks_uri") {
			missing = append(missing, e.name+" is missing")
		}
	}
	if len(missing) == 0 {
		return nil
	}
	return fmt.Errorf("%w: correct the server, or set Metadata", complaint(missing))
}

func complaint(wrong []string) error {
	if len(wrong) == 0 {
		return nil
	}
	return errors.New("metadata: " + strings.Join(wrong, ", "))
}

type namedEndpoint struct {
	name, url string
	required  bool
}

func (m *Metadata) endpoints() []namedEndpoint {
	all := []namedEndpoint{
		{"authorization_endpoint", m.AuthorizationEndpoint, m.signsIn()},
		{"token_endpoint", m.TokenEndpoint, true},
		{"jwks_uri", m.JWKSURI, m.signsIn()},
		{"userinfo_endpoint", m.UserInfoEndpoint, false},
		{"registration_endpoint", m.RegistrationEndpoint, false},
		{"revocation_endpoint", m.RevocationEndpoint, false},
		{"introspection_endpoint", m.IntrospectionEndpoint, false},
		{"end_session_endpoint", m.EndSessionEndpoint, false},
		{"ping_end_session_endpoint", m.PingEndSessionEndpoint, false},
		{"ping_revoked_sris_endpoint", m.PingRevokedSRIsEndpoint, false},
		{"pushed_authorization_request_endpoint", m.PushedAuthorizationRequestEndpoint, false},
		{"device_authorization_endpoint", m.DeviceAuthorizationEndpoint, false},
		{"backchannel_authentication_endpoint", m.BackchannelAuthenticationEndpoint, false},
	}
	if a := m.MTLSEndpointAliases; a != nil {
		all = append(all, a.endpoints()...)
	}
	return all
}

func (a *EndpointAliases) endpoints() []namedEndpoint {
	return []namedEndpoint{
		{"mtls_endpoint_aliases.token_endpoint", a.TokenEndpoint, false},
		{"mtls_endpoint_aliases.revocation_endpoint", a.RevocationEndpoint, false},
		{"mtls_endpoint_aliases.introspection_endpoint", a.IntrospectionEndpoint, false},
		{"mtls_endpoint_aliases.userinfo_endpoint", a.UserInfoEndpoint, false},
		{"mtls_endpoint_aliases.pushed_authorization_request_endpoint", a.PushedAuthorizationRequestEndpoint, false},
		{"mtls_endpoint_aliases.device_authorization_endpoint", a.DeviceAuthorizationEndpoint, false},
		{"mtls_endpoint_aliases.backchannel_authentication_endpoint", a.BackchannelAuthenticationEndpoint, false},
		{"mtls_endpoint_aliases.registration_endpoint", a.RegistrationEndpoint, false},
	}
}

// CheckIssuer returns an error unless issuer is an https URL without query and fragment (OpenID
// Connect Discovery 1.0 §3, RFC 8414 §2).
func CheckIssuer(issuer string) error { return endpoint.Policy{}.CheckIssuer(issuer) }
