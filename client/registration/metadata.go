package registration

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"reflect"
	"slices"
	"strings"

	jsonv2 "github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/countersign/countersign/internal/jose"
)

// Metadata is a client's metadata. Members are from RFC 7591 §2, OpenID Connect Dynamic Client
// Registration 1.0 §2, and the specifications that the comments name. A member with its zero value
// is not sent, and the server then uses its default. Metadata redacts itself in fmt and log/slog.
type Metadata struct {
	RedirectURIs                []string        `json:"redirect_uris,omitempty"`                   // where responses may be sent; compared exactly
	TokenEndpointAuthMethod     string          `json:"token_endpoint_auth_method,omitempty"`      // default: client_secret_basic
	TokenEndpointAuthSigningAlg string          `json:"token_endpoint_auth_signing_alg,omitempty"` // of client assertions; default: any
	GrantTypes                  []string        `json:"grant_types,omitempty"`                     // default: authorization_code
	ResponseTypes               []string        `json:"response_types,omitempty"`                  // default: code
	ApplicationType             string          `json:"application_type,omitempty"`                // "web" or "native"; default: web
	ClientName                  string          `json:"client_name,omitempty"`                     // shown to the user
	ClientURI                   string          `json:"client_uri,omitempty"`                      // home page of the client
	LogoURI                     string          `json:"logo_uri,omitempty"`                        // logo, shown to the user
	PolicyURI                   string          `json:"policy_uri,omitempty"`                      // privacy policy
	TOSURI                      string          `json:"tos_uri,omitempty"`                         // terms of service
	Contacts                    []string        `json:"contacts,omitempty"`                        // people responsible, usually email addresses
	Scope                       string          `json:"scope,omitempty"`                           // separated by spaces
	JWKSURI                     string          `json:"jwks_uri,omitempty"`                        // URL of the public keys; not beside JWKS
	JWKS                        json.RawMessage `json:"jwks,omitempty"`                            // public keys; not beside JWKSURI
	SoftwareID                  string          `json:"software_id,omitempty"`                     // identifies the software, not the installation
	SoftwareVersion             string          `json:"software_version,omitempty"`                // version of the software with SoftwareID
	SoftwareStatement           string          `json:"software_statement,omitempty"`              // a JWT in which a third party asserts metadata

	SectorIdentifierURI   string   `json:"sector_identifier_uri,omitempty"`                // URL of a list of redirect URIs that share pairwise subjects
	SubjectType           string   `json:"subject_type,omitempty"`                         // "pairwise" or "public"
	DefaultMaxAge         *int64   `json:"default_max_age,omitempty"`                      // seconds
	RequireAuthTime       bool     `json:"require_auth_time,omitempty"`                    // auth_time must be in every ID token
	DefaultACRValues      []string `json:"default_acr_values,omitempty"`                   // acr values when the request has none
	InitiateLoginURI      string   `json:"initiate_login_uri,omitempty"`                   // https URL at which a third party can start a login
	RequestURIs           []string `json:"request_uris,omitempty"`                         // URLs of request objects that requests may refer to
	PostLogoutRedirects   []string `json:"post_logout_redirect_uris,omitempty"`            // OpenID Connect RP-Initiated Logout 1.0 §3.1
	BackchannelLogoutURI  string   `json:"backchannel_logout_uri,omitempty"`               // OpenID Connect Back-Channel Logout 1.0
	BackchannelSession    bool     `json:"backchannel_logout_session_required,omitempty"`  // sid must be in every logout token
	FrontchannelLogoutURI string   `json:"frontchannel_logout_uri,omitempty"`              // OpenID Connect Front-Channel Logout 1.0
	FrontchannelSession   bool     `json:"frontchannel_logout_session_required,omitempty"` // iss and sid must be in the logout request

	IDTokenSignedResponseAlg          string `json:"id_token_signed_response_alg,omitempty"`         // default: RS256
	IDTokenEncryptedResponseAlg       string `json:"id_token_encrypted_response_alg,omitempty"`      // default: not encrypted
	IDTokenEncryptedResponseEnc       string `json:"id_token_encrypted_response_enc,omitempty"`      // default, if alg is set: A128CBC-HS256
	UserInfoSignedResponseAlg         string `json:"userinfo_signed_response_alg,omitempty"`         // default: JSON without signature
	UserInfoEncryptedResponseAlg      string `json:"userinfo_encrypted_response_alg,omitempty"`      // default: not encrypted
	UserInfoEncryptedResponseEnc      string `json:"userinfo_encrypted_response_enc,omitempty"`      // default, if alg is set: A128CBC-HS256
	RequestObjectSigningAlg           string `json:"request_object_signing_alg,omitempty"`           // default: any
	RequestObjectEncryptionAlg        string `json:"request_object_encryption_alg,omitempty"`        // default: not encrypted
	RequestObjectEncryptionEnc        string `json:"request_object_encryption_enc,omitempty"`        // default, if alg is set: A128CBC-HS256
	AuthorizationSignedResponseAlg    string `json:"authorization_signed_response_alg,omitempty"`    // JARM
	AuthorizationEncryptedResponseAlg string `json:"authorization_encrypted_response_alg,omitempty"` // default: not encrypted
	AuthorizationEncryptedResponseEnc string `json:"authorization_encrypted_response_enc,omitempty"` // default, if alg is set: A128CBC-HS256
	IntrospectionSignedResponseAlg    string `json:"introspection_signed_response_alg,omitempty"`    // RFC 9701
	IntrospectionEncryptedResponseAlg string `json:"introspection_encrypted_response_alg,omitempty"` // default: not encrypted
	IntrospectionEncryptedResponseEnc string `json:"introspection_encrypted_response_enc,omitempty"` // default, if alg is set: A128CBC-HS256

	RequirePushedAuthorizationRequests    bool     `json:"require_pushed_authorization_requests,omitempty"`      // RFC 9126
	RequireSignedRequestObject            bool     `json:"require_signed_request_object,omitempty"`              // RFC 9101
	DPoPBoundAccessTokens                 bool     `json:"dpop_bound_access_tokens,omitempty"`                   // RFC 9449
	AuthorizationDetailsTypes             []string `json:"authorization_details_types,omitempty"`                // RFC 9396
	TLSClientCertificateBoundAccessTokens bool     `json:"tls_client_certificate_bound_access_tokens,omitempty"` // RFC 8705
	TLSClientAuthSubjectDN                string   `json:"tls_client_auth_subject_dn,omitempty"`                 // RFC 8705 §2.1.2: the subject of the certificate; only one of these five members
	TLSClientAuthSANDNS                   string   `json:"tls_client_auth_san_dns,omitempty"`                    // the DNS name in the certificate
	TLSClientAuthSANURI                   string   `json:"tls_client_auth_san_uri,omitempty"`                    // the URI in the certificate
	TLSClientAuthSANIP                    string   `json:"tls_client_auth_san_ip,omitempty"`                     // the IP address in the certificate
	TLSClientAuthSANEmail                 string   `json:"tls_client_auth_san_email,omitempty"`                  // the email address in the certificate

	BackchannelTokenDeliveryMode    string `json:"backchannel_token_delivery_mode,omitempty"`                // OpenID Connect CIBA Core 1.0 §4
	BackchannelNotificationEndpoint string `json:"backchannel_client_notification_endpoint,omitempty"`       // https URL for pings and pushed tokens
	BackchannelRequestSigningAlg    string `json:"backchannel_authentication_request_signing_alg,omitempty"` // default: requests are not signed
	BackchannelUserCode             bool   `json:"backchannel_user_code_parameter,omitempty"`                // the client sends a user code; default: false

	// Extra holds additional members by name, such as "client_name#fr". It also holds members of
	// the server's response that this module does not know. Its values must encode to JSON.
	Extra map[string]any `json:"extra,omitempty"`
}

// Format implements fmt.Formatter: every verb prints only the name.
func (m Metadata) Format(f fmt.State, _ rune) { io.WriteString(f, m.redacted()) }

// LogValue implements slog.LogValuer.
func (m Metadata) LogValue() slog.Value { return slog.StringValue(m.redacted()) }

func (m Metadata) redacted() string { return fmt.Sprintf("[client metadata of %q]", m.ClientName) }

// issued are the members that the server issues beside the metadata (RFC 7591 §3.2.1,
// RFC 7592 §3).
var issued = []string{
	"client_id", "client_secret", "client_id_issued_at", "client_secret_expires_at", "registration_access_token", "registration_client_uri",
}

// fields returns the fields of m by the name of their member, without Extra.
func (m *Metadata) fields() map[string]reflect.Value {
	v := reflect.ValueOf(m).Elem()
	out := make(map[string]reflect.Value, v.NumField())
	for i := range v.NumField() {
		name, _, _ := strings.Cut(v.Type().Field(i).Tag.Get("json"), ",")
		out[name] = v.Field(i)
	}
	delete(out, "extra")
	return out
}

// members returns the metadata in the form in which it is sent.
func (m *Metadata) members() (map[string]json.RawMessage, error) {
	if err := m.check(); err != nil {
		return nil, err
	}
	out := map[string]json.RawMessage{}
	for name, field := range m.fields() {
		if field.IsZero() || field.Kind() == reflect.Slice && field.Len() == 0 {
			continue
		}
		raw, err := json.Marshal(field.Interface())
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		out[name] = raw
	}
	for name, value := range m.Extra {
		raw, err := json.Marshal(value)
		if err != nil {
			return nil, fmt.Errorf("Metadata.Extra: %s: %w", name, err)
		}
		out[name] = raw
	}
	return out, nil
}

func (m *Metadata) check() error {
	known := m.fields()
	for name := range m.Extra {
		if _, ok := known[name]; ok && !known[name].IsZero() || slices.Contains(issued, name) {
			return fmt.Errorf("Metadata.Extra contains %q: use the field of Metadata, or remove it", name)
		}
	}
	if extra, ok := m.Extra["jwks"]; ok {
		raw, err := json.Marshal(extra)
		if err != nil {
			return fmt.Errorf("Metadata.Extra: jwks: %w", err)
		}
		if err := checkPublic(raw); err != nil {
			return err
		}
	}
	if m.has("jwks", len(m.JWKS) > 0) && m.has("jwks_uri", m.JWKSURI != "") { // RFC 7591 §2
		return errors.New("Metadata.JWKS and Metadata.JWKSURI are both set, or one of them in Metadata.Extra: set only one")
	}
	if len(m.JWKS) > 0 {
		return checkPublic(m.JWKS)
	}
	return nil
}

// has reports whether a member is sent: from its field, or from Extra.
func (m *Metadata) has(name string, field bool) bool {
	_, extra := m.Extra[name]
	return field || extra
}

// privateMembers are the members of private and secret keys, RFC 7518 §6. priv belongs to the key
// type AKP.
var privateMembers = []string{"d", "p", "q", "dp", "dq", "qi", "oth", "k", "priv"}

var errJWKS = errors.New("Metadata.JWKS is not a JWK Set with at least one key")

// checkPublic requires a JWK Set that has only public keys.
func checkPublic(jwks []byte) error {
	var set struct {
		Keys []map[string]jsontext.Value `json:"keys"`
	}
	if err := jose.Decode(jwks, &set, jose.DocumentLimits); err != nil || len(set.Keys) == 0 {
		return errJWKS
	}
	for _, key := range set.Keys {
		for _, name := range privateMembers {
			if _, ok := key[name]; ok {
				return errors.New("Metadata.JWKS contains a private key: publish only public keys")
			}
		}
	}
	return nil
}

// readMetadata reads the members of a response. A member that is unknown or has the wrong type
// is kept unchanged. The client is registered by then, and an update must repeat the member.
func readMetadata(members map[string]jsontext.Value) Metadata {
	m := Metadata{}
	known := m.fields()
	for name, raw := range members {
		if slices.Contains(issued, name) || raw.Kind() == 'n' {
			continue
		}
		if field, ok := known[name]; ok {
			if jsonv2.Unmarshal(raw, field.Addr().Interface()) == nil {
				continue
			}
			field.SetZero()
		}
		if m.Extra == nil {
			m.Extra = map[string]any{}
		}
		var value any
		if jsonv2.Unmarshal(raw, &value) == nil {
			m.Extra[name] = value
		}
	}
	if holdsNoKey(m.JWKS) {
		m.JWKS = nil
	}
	return m
}

// holdsNoKey reports whether the key set of a response has no keys. ory/hydra sends such a set
// for a client that registered none. In an update it would be invalid.
func holdsNoKey(jwks []byte) bool {
	return sameJSON(jwks, []byte(`{}`)) || sameJSON(jwks, []byte(`{"keys":[]}`))
}

// changes returns the names of the sent members that the server changed or omitted.
func changes(sent map[string]json.RawMessage, got map[string]jsontext.Value) []string {
	var out []string
	for name, raw := range sent {
		if !slices.Contains(issued, name) && !sameJSON(inOrder(name, raw), inOrder(name, got[name])) {
			out = append(out, name)
		}
	}
	slices.Sort(out)
	return out
}

// sets are the members whose order has no meaning. Servers may reorder them.
var sets = []string{"grant_types", "response_types", "contacts", "request_uris", "authorization_details_types"}

// inOrder sorts a member that is a set, and returns any other member unchanged.
func inOrder(name string, raw []byte) []byte {
	var list []string
	var text string
	switch {
	case slices.Contains(sets, name) && json.Unmarshal(raw, &list) == nil:
		slices.Sort(list)
		raw, _ = json.Marshal(list) // strings
	case name == "scope" && json.Unmarshal(raw, &text) == nil:
		list = strings.Fields(text)
		slices.Sort(list)
		raw, _ = json.Marshal(strings.Join(list, " "))
	}
	return raw
}

func sameJSON(a, b []byte) bool {
	var x, y any
	return json.Unmarshal(a, &x) == nil && json.Unmarshal(b, &y) == nil && reflect.DeepEqual(x, y)
}
