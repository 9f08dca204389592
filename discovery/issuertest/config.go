package issuertest

import (
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
)

// The client, the API and the user of an issuer whose Config names none.
const (
	ClientID     = "web"
	ClientSecret = "web-secret"
	Audience     = "https://api.example"
	Subject      = "alice"
)

// Format is the form of access tokens.
type Format int

const (
	Default Format = iota // for a Client: the Config's format; for a Config: JWT
	JWT                   // RFC 9068
	Opaque                // a random string, for introspection
)

// Config describes an issuer. Every field is optional. The zero value is an issuer with one
// confidential client ([ClientID], [ClientSecret]) and one user ([Subject]). It uses TLS on a
// free port of loopback.
type Config struct {
	// Issuer is the issuer identifier: an http or https URL without query and fragment.
	// "" means the address that the issuer listens on.
	Issuer string

	// Listen is the address to listen on. "" means a free port of 127.0.0.1.
	Listen string

	// PlainHTTP serves without TLS, for browsers that do not trust the issuer's certificate.
	PlainHTTP bool

	// Clients are the registered clients. Empty means one, see Config.
	Clients []Client

	// Users are the accounts. Empty means one account with the subject "alice", a name and an
	// email address. If no user is selected, the first account is signed in.
	Users []User

	// Page shows a page to select a user at every authorization request without prompt=none,
	// and then a consent page. It also asks the user of a device, and asks before a logout
	// without id_token_hint. False signs the user in at once: the user whose subject is in
	// login_hint, otherwise the first user.
	Page bool

	// Ask is called for each CIBA request if Page is set. It replaces the user's device: address is
	// the page on which the user allows or denies the request. Without Ask, call [Issuer.Approve] or
	// [Issuer.Deny]. It runs in its own goroutine.
	Ask func(subject, address string)

	// ScopeTexts are the descriptions of scopes on the consent page, such as {"photos.read": "See
	// your photos"}. The scopes of OpenID Connect have a default text. nil adds no text.
	ScopeTexts map[string]string

	// Algorithm is the signature algorithm of the issuer's key. "" means RS256.
	Algorithm string

	// AccessTokens is the form of access tokens. The zero value means JWT.
	AccessTokens Format

	// Audience is the aud of access tokens if the request has no resource parameter. Empty
	// means the constant Audience.
	Audience []string

	// Lifetime is the lifetime of access and ID tokens. 0 means five minutes. Refresh tokens
	// are valid for a day.
	Lifetime time.Duration

	// PollInterval is the interval of the device and CIBA grants, in whole seconds. 0 means 1 second.
	PollInterval time.Duration

	// Delay is how long the fault Slow delays a response. 0 means one minute.
	Delay time.Duration

	// Metadata changes the metadata: each member replaces the issuer's own. A nil value removes a
	// member. nil changes nothing.
	Metadata map[string]any

	// EncryptionKey publishes an encryption key (ECDH-ES, P-256). The issuer then accepts
	// request objects that are encrypted to it (RFC 9101). False means that encrypted request
	// objects are rejected.
	EncryptionKey bool

	// Edit contains functions that change responses. The zero value changes nothing.
	Edit Edit

	// Grants are additional grant types, by name. They replace the issuer's own grant types of the
	// same name. nil adds none.
	Grants map[string]GrantType

	// SecretPrefix is the prefix of every code, opaque token and client secret that the issuer
	// generates. Search the output of a test for it to find a secret in a log. "" means no prefix.
	SecretPrefix string

	// Faults are injected at the start, see [Issuer.Inject]. Empty means none.
	Faults []Fault

	// HTTP sends back-channel logout tokens and CIBA pings. nil means a client with a
	// time-out of five seconds that trusts every certificate.
	HTTP *http.Client

	// Observe is called after every request, possibly from several goroutines at once. Use it
	// only for development, because it receives secrets. nil means that nothing is called.
	Observe func(Exchange)

	// MaxExchanges is the maximum number of exchanges that [Issuer.Exchanges] returns. 0
	// means 1000.
	MaxExchanges int

	// Now returns the current time. nil means time.Now. [Issuer.Advance] adds to it.
	Now func() time.Time
}

// Client is a registered client. A client without Secret, Keys and Certificate is public.
type Client struct {
	output[Client]

	ID     string // client_id
	Name   string // for the login page; "" means the ID
	Secret string // client_secret; "" for none

	// Keys is the client's JWK Set: public keys for private_key_jwt and request objects
	// (use "sig"), and for encrypted ID tokens (use "enc").
	Keys []byte

	// Certificate authenticates the client by TLS (RFC 8705 §2). Access tokens are then
	// bound to it.
	Certificate *x509.Certificate

	// AuthMethod is the only token_endpoint_auth_method accepted. "" means any that the
	// credentials allow.
	AuthMethod string

	// RedirectURLs are the redirect URIs, compared exactly. On loopback any port is accepted
	// (RFC 8252 §7.3) if the client is public or the registered URI has no port. Empty accepts
	// any.
	RedirectURLs []string

	// PostLogoutRedirectURLs are the URLs that a logout may redirect to. Empty accepts any.
	PostLogoutRedirectURLs []string

	BackChannelLogoutURL  string // gets logout tokens; "" for none
	FrontChannelLogoutURL string // is loaded in a frame at a logout; "" for none
	NotificationURL       string // gets CIBA pings; "" means the poll mode

	// Scopes are the scopes that the client may request. Empty allows any.
	Scopes []string

	// Audience is the aud of the client's access tokens if the request has no resource
	// parameter. It also lists the resources that a request may name (RFC 8707). Empty means
	// Config.Audience and any resource.
	Audience []string

	// AccessTokens is the form of the client's access tokens. The zero value means
	// Config.AccessTokens.
	AccessTokens Format

	// KeepRefreshTokens allows a refresh token to be used many times: a refresh returns the same
	// refresh token. False means that each refresh token is used once, and that a second use
	// revokes the login.
	KeepRefreshTokens bool

	RequirePAR  bool // RFC 9126 §6
	RequireDPoP bool // RFC 9449 §5.2 (dpop_bound_access_tokens)

	// IDTokenAlg is the algorithm to sign the client's ID tokens with the client secret:
	// HS256, HS384 or HS512. "" means Config.Algorithm.
	IDTokenAlg string

	// IDTokenEncryptionAlg and IDTokenEncryptionEnc encrypt the client's ID tokens to Keys,
	// for example "ECDH-ES" with "A256GCM". "" means that they are not encrypted.
	IDTokenEncryptionAlg, IDTokenEncryptionEnc string

	// ResponseEncryptionAlg and ResponseEncryptionEnc encrypt signed authorization responses
	// (JARM) to Keys. "" means that they are not encrypted.
	ResponseEncryptionAlg, ResponseEncryptionEnc string

	// SignedUserInfo returns UserInfo responses as a JWT.
	SignedUserInfo bool

	// UserInfoEncryptionAlg and UserInfoEncryptionEnc encrypt a signed UserInfo response to
	// Keys. "" means that it is not encrypted.
	UserInfoEncryptionAlg, UserInfoEncryptionEnc string

	registrationToken string
}

// User is an account.
type User struct {
	Subject string // sub; not empty

	// Claims are claims about the user. The claims of the scopes profile, email, address and
	// phone (OpenID Connect Core §5.4) require their scope. Any other claim is always
	// included.
	Claims map[string]any

	// ACR and AMR describe how the user authenticates. ACR "" means the first of the
	// request's acr_values.
	ACR string
	AMR []string
}

func (u *User) name() string {
	if s, ok := u.Claims["name"].(string); ok {
		return s
	}
	return u.Subject
}

func (c *Client) name() string {
	if c.Name != "" {
		return c.Name
	}
	return c.ID
}

func (c *Client) public() bool { return c.Secret == "" && c.Keys == nil && c.Certificate == nil }

func defaultUser() User {
	return User{Subject: Subject, Claims: map[string]any{
		"name": "Alice Liddell", "given_name": "Alice", "family_name": "Liddell", "email": "alice@example.com", "email_verified": true,
	}}
}

// complete replaces zero values with their defaults.
func (c Config) complete() (Config, error) {
	if len(c.Clients) == 0 {
		c.Clients = []Client{{ID: ClientID, Secret: ClientSecret}}
	}
	if len(c.Users) == 0 {
		c.Users = []User{defaultUser()}
	}
	c.Algorithm = or(c.Algorithm, "RS256")
	if len(c.Audience) == 0 {
		c.Audience = []string{Audience}
	}
	c.AccessTokens = or(c.AccessTokens, JWT)
	c.Lifetime = or(c.Lifetime, 5*time.Minute)
	c.PollInterval = or(c.PollInterval, time.Second)
	c.Delay = or(c.Delay, time.Minute)
	c.MaxExchanges = or(c.MaxExchanges, 1000)
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.HTTP == nil {
		c.HTTP = trusting()
	}
	return c, c.check()
}

func or[T comparable](v, otherwise T) T {
	var zero T
	if v == zero {
		return otherwise
	}
	return v
}

var algorithms = []string{"RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA", "Ed25519"}

func (c *Config) check() error {
	if !slices.Contains(algorithms, c.Algorithm) {
		return fmt.Errorf("issuertest: Config.Algorithm is %q, expected one of %s", c.Algorithm, strings.Join(algorithms, ", "))
	}
	seen := map[string]bool{}
	for _, client := range c.Clients {
		if client.ID == "" || seen[client.ID] {
			return fmt.Errorf("issuertest: Config.Clients: the ID %q is empty or not unique", client.ID)
		}
		seen[client.ID] = true
	}
	seen = map[string]bool{}
	for _, user := range c.Users {
		if user.Subject == "" || seen[user.Subject] {
			return fmt.Errorf("issuertest: Config.Users: the Subject %q is empty or not unique", user.Subject)
		}
		seen[user.Subject] = true
	}
	for _, f := range c.Faults {
		if err := f.check(); err != nil {
			return err
		}
	}
	return nil
}

// checkIssuer returns an error unless s is an issuer identifier.
func checkIssuer(s string) (*url.URL, error) {
	u, err := url.Parse(s)
	if err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http" || u.RawQuery != "" || u.Fragment != "" {
		return nil, errors.New("issuertest: Config.Issuer must be an http or https URL without query and fragment")
	}
	return u, nil
}
