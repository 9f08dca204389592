package registration

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strings"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/countersign/countersign/client"
	"github.com/countersign/countersign/client/auth"
	"github.com/countersign/countersign/discovery"
	"github.com/countersign/countersign/internal/endpoint"
	"github.com/countersign/countersign/internal/jose"
)

// Registered is a client as the server registered it, RFC 7591 §3.2.1. It encodes as plain JSON.
// The application stores it with its other secrets. It redacts itself in fmt and log/slog.
type Registered struct {
	ClientID     string `json:"client_id"`               // the issued client_id
	ClientSecret string `json:"client_secret,omitempty"` // the issued client_secret; "" if the server issued none

	IssuedAt     time.Time `json:"issued_at,omitzero"`     // zero: not in the response
	SecretExpiry time.Time `json:"secret_expiry,omitzero"` // zero: the secret does not expire, or there is no secret

	// AccessToken and URI are required to read, update and delete the registration (RFC 7592
	// §3). Both are "" if the server does not support that.
	AccessToken string `json:"registration_access_token,omitempty"`
	URI         string `json:"registration_client_uri,omitempty"`

	// Metadata is the metadata that the server registered. It may differ from the metadata that was
	// sent.
	Metadata Metadata `json:"metadata"`

	// Changed lists the sent members that the server registered with another value or omitted,
	// in order. An example is "redirect_uris". It is empty after Read.
	Changed []string `json:"changed,omitempty"`
}

// Format implements fmt.Formatter: every verb prints only the client_id.
func (r Registered) Format(f fmt.State, _ rune) { io.WriteString(f, r.redacted()) }

// LogValue implements slog.LogValuer.
func (r Registered) LogValue() slog.Value { return slog.StringValue(r.redacted()) }

func (r Registered) redacted() string { return fmt.Sprintf("[registration of %q]", r.ClientID) }

// Config returns the configuration of the registered client: its authentication method, URLs,
// scopes, response type, algorithms and request objects. keys sign its assertions
// (private_key_jwt) and its request objects. keys may be nil if it uses neither. The caller adds
// decryption keys. client.New rejects what this module does not support: an unknown
// authentication method leaves Auth empty.
func (r *Registered) Config(server *discovery.Provider, keys auth.KeySource) client.Config {
	m := &r.Metadata
	c := client.Config{
		Issuer: server.Issuer, DiscoveryURL: server.URL, Metadata: server.Static, HTTP: server.HTTP,
		UntrustedIssuer: server.UntrustedIssuer, InsecureHTTP: server.InsecureHTTP,
		ClientID: r.ClientID, Auth: r.auth(keys),
		RedirectURL: first(m.RedirectURIs), PostLogoutRedirectURL: first(m.PostLogoutRedirects),
		IDTokenAlgs: list(m.IDTokenSignedResponseAlg), UserInfoAlgs: m.userInfoAlgs(),
		ResponseAlgs: list(m.AuthorizationSignedResponseAlg), IntrospectionAlgs: list(m.IntrospectionSignedResponseAlg),
		CertificateBound: m.TLSClientCertificateBoundAccessTokens,
		ResponseType:     responseType(m.ResponseTypes), RequestObject: m.requestObject(keys),
	}
	if m.RequirePushedAuthorizationRequests {
		c.PAR = client.PARRequired
	}
	if m.Scope != "" {
		c.Scopes = strings.Fields(m.Scope)
	}
	if m.DPoPBoundAccessTokens {
		c.DPoP = &client.DPoP{}
	}
	return c
}

func (r *Registered) auth(keys auth.KeySource) auth.Method {
	switch r.Metadata.TokenEndpointAuthMethod {
	case "", "client_secret_basic":
		return auth.SecretBasic(r.ClientSecret)
	case "client_secret_post":
		return auth.SecretPost(r.ClientSecret)
	case "client_secret_jwt":
		return auth.SecretJWT(r.ClientSecret, auth.Assertion{})
	case "private_key_jwt":
		return auth.PrivateKeyJWT(by(r.Metadata.TokenEndpointAuthSigningAlg, keys), auth.Assertion{})
	case "tls_client_auth":
		return auth.TLS()
	case "self_signed_tls_client_auth":
		return auth.SelfSignedTLS()
	case "none":
		return auth.Public()
	}
	return auth.Method{}
}

func first(list []string) string {
	if len(list) == 0 {
		return ""
	}
	return list[0]
}

// userInfoAlgs returns the signature algorithms of UserInfo responses. ory/hydra sends "none"
// for plain JSON. OpenID Connect Dynamic Client Registration 1.0 §2 omits the member instead.
func (m *Metadata) userInfoAlgs() []string {
	if m.UserInfoSignedResponseAlg == "none" {
		return nil
	}
	return list(m.UserInfoSignedResponseAlg)
}

func list(alg string) []string {
	if alg == "" {
		return nil
	}
	return []string{alg}
}

// credentials are the values that the server issues, in its encoding.
type credentials struct {
	ClientID     string   `json:"client_id"`
	ClientSecret string   `json:"client_secret"`
	IssuedAt     *float64 `json:"client_id_issued_at"` // seconds; JSON has one kind of number
	SecretExpiry *float64 `json:"client_secret_expires_at"`
	AccessToken  string   `json:"registration_access_token"`
	URI          string   `json:"registration_client_uri"`
}

// read parses a response about a client with that authentication method, and compares it with
// what was sent. With an error it returns what is needed to delete the client, if the response
// has it.
func (r *Registrar) read(resp *endpoint.Response, sent map[string]json.RawMessage, method string) (*Registered, error) {
	if resp.MediaType != "application/json" {
		return nil, resp.NotJSON()
	}
	var c credentials
	var all map[string]jsontext.Value
	if err := jose.Decode(resp.Body, &all, jose.DocumentLimits); err != nil {
		return nil, err
	}
	if err := jose.Decode(resp.Body, &c, jose.DocumentLimits); err != nil {
		return unusable(all), err
	}
	if err := c.check(); err != nil {
		return unusable(all), err
	}
	out := &Registered{
		ClientID: c.ClientID, ClientSecret: c.ClientSecret, IssuedAt: at(c.IssuedAt), SecretExpiry: at(c.SecretExpiry),
		AccessToken: c.AccessToken, URI: c.URI, Metadata: readMetadata(all), Changed: changes(sent, all),
	}
	if c.ClientSecret != "" && c.SecretExpiry == nil && !r.MissingSecretExpiry && usesSecret(method) {
		return out, errNoSecretExpiry
	}
	return out, nil
}

const maxText = 8 << 10 // characters of an identifier, a secret or a token; the RFC names no limit

func (c *credentials) check() error {
	switch {
	case c.ClientID == "":
		return errors.New("client_id is missing in the response")
	case slices.ContainsFunc([]string{c.ClientID, c.ClientSecret}, func(s string) bool { return !printable(s, ' ') }):
		return errors.New("client_id or client_secret in the response is malformed")
	case !printable(c.AccessToken, '!') || !printable(c.URI, '!'):
		return errors.New("registration_access_token or registration_client_uri in the response is malformed")
	}
	for _, seconds := range []*float64{c.IssuedAt, c.SecretExpiry} {
		if seconds != nil && (*seconds < 0 || *seconds >= 1<<53) {
			return errors.New("client_id_issued_at or client_secret_expires_at in the response is out of range")
		}
	}
	return nil
}

// printable reports whether s is ASCII from lowest on, and at most maxText long.
func printable(s string, lowest rune) bool {
	return len(s) <= maxText && !strings.ContainsFunc(s, func(r rune) bool { return r < lowest || r > '~' })
}

func at(seconds *float64) time.Time {
	if seconds == nil || *seconds == 0 {
		return time.Time{}
	}
	return time.Unix(int64(*seconds), 0)
}
