package client

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"reflect"
	"slices"
	"time"

	"github.com/countersign/countersign/client/auth"
	"github.com/countersign/countersign/discovery"
	"github.com/countersign/countersign/idtoken"
	"github.com/countersign/countersign/internal/dpop"
	"github.com/countersign/countersign/internal/endpoint"
	"github.com/countersign/countersign/pkce"
)

// PARMode says whether authorization requests are pushed, RFC 9126.
type PARMode int

// The modes. There is no falling back from a push that failed.
const (
	PARAuto     PARMode = iota // pushed if the server has an endpoint for it
	PARRequired                // pushed; a server without the endpoint is an error
	PAROff                     // not pushed; a server that requires it is an error
)

// The values of Config.ResponseType (OAuth 2.0 Multiple Response Type Encoding
// Practices §3, §5, OpenID Connect Core §3).
const (
	ResponseCode        = "code"
	ResponseCodeIDToken = "code id_token"
	ResponseIDToken     = "id_token"
)

var (
	responseTypes = []string{"", ResponseCode, ResponseCodeIDToken, ResponseIDToken}
	responseModes = []string{"", "query", "fragment", "form_post", "jwt", "query.jwt", "fragment.jwt", "form_post.jwt"}
)

// Config is one registration at one server. Issuer, ClientID and Auth must be set, and
// RedirectURL by who signs users in.
type Config struct {
	// Issuer is the server's issuer identifier, exactly as the server writes it.
	Issuer string

	// Profile is a set of rules to be kept. The zero value is none. Rules for logins in the
	// browser apply only to a client with a RedirectURL.
	Profile Profile

	// IssuerAlias and Tenants are those of idtoken.Verifier: for Google, and for Entra ID
	// where Issuer has {tenantid} in it.
	IssuerAlias string
	Tenants     []string

	// AcceptTenant decides about tenants that Tenants does not list, for products that any
	// organization can join. It is asked after the tenant's form was checked; answers are
	// cached for a minute. nil means that only Tenants may sign in.
	AcceptTenant func(ctx context.Context, tenantID string) (bool, error)

	// DiscoveryURL is where the metadata is, for servers that do not publish it under
	// their issuer identifier; see discovery.Provider. "" means where OpenID Connect
	// Discovery puts it.
	DiscoveryURL string

	// Metadata is the server's, where it is configured instead of discovered; its
	// issuer must be Issuer. nil means discovery at the first use.
	Metadata *discovery.Metadata

	// UntrustedIssuer says that somebody else than the operator chose Issuer, for example
	// a customer of the application: no request reaches a private address. See
	// discovery.Provider, and discovery.Dialer where HTTP has a Transport.
	UntrustedIssuer bool

	// InsecureHTTP accepts http for RedirectURL, the issuer and its endpoints on every host,
	// such as http://keycloak:8080, in development. Otherwise http is accepted only on
	// loopback. Profiles reject it.
	InsecureHTTP bool

	// Provider is the server's metadata and keys where the program shares them: with rs.JWT,
	// or with other clients of the same server. They are then fetched once. Issuer may be
	// empty, or must be the Provider's; DiscoveryURL, Metadata, UntrustedIssuer and
	// InsecureHTTP are the Provider's and must not be set here. Each HTTP sends its own
	// requests. nil means that the client fetches for itself.
	Provider *discovery.Provider

	// ClientID is the client_id of the registration.
	ClientID string

	// Auth is how the client authenticates: Secret, SecretBasic, SecretPost, SecretJWT,
	// PrivateKeyJWT, TLS, SelfSignedTLS, or Public for a client without a secret.
	Auth auth.Method

	// RedirectURL is the redirect_uri of the registration, sent as it is. It is
	// never derived from a request. "" is for a client that gets tokens in other ways
	// alone: it begins no login and redeems no code.
	RedirectURL string

	// PostLogoutRedirectURL is where the browser comes back to after a logout: one of the
	// registration's post_logout_redirect_uris, sent as it is. It is never derived from a
	// request. "" means that the browser stays at the server.
	PostLogoutRedirectURL string

	// LogoutEndpoint is for servers that end sessions in a way of their own. nil means the
	// end_session_endpoint of the server's metadata.
	LogoutEndpoint *LogoutEndpoint

	// Scopes are asked for in every login. nil means "openid" alone. Without "openid"
	// among them (an empty list sends no scope at all) no ID token is required.
	Scopes []string

	// PKCE is how code challenges are made. The zero value is S256.
	PKCE pkce.Method

	// PAR says whether requests are pushed. The zero value follows the server's metadata.
	PAR PARMode

	// RequestObject has requests packed into a signed JWT. nil means plain parameters.
	RequestObject *RequestObject

	// RepeatParameters repeats response_type, scope and redirect_uri in the browser's
	// address, beside the request or request_uri that stands for them, for servers that
	// want them there.
	RepeatParameters bool

	// ResponseType is what comes through the browser: ResponseCode ("" too), or one of the
	// two that bring an ID token with them, which few servers need. An access token is
	// never taken from the browser.
	ResponseType string

	// ResponseMode is how the response comes: "" lets the server choose (the query, for a
	// code), "query", "fragment" (the page at RedirectURL hands the values over),
	// "form_post", or a signed response (JARM): "jwt", "query.jwt", "fragment.jwt",
	// "form_post.jwt". Where a signed one was asked for no other is taken.
	ResponseMode string

	// ResponseAlgs are the signature algorithms of signed responses
	// (authorization_signed_response_alg). Empty means RS256.
	ResponseAlgs []string

	// UserInfoAlgs are the signature algorithms of UserInfo answers that are JWTs
	// (userinfo_signed_response_alg). Empty means that answers are JSON, not JWTs.
	UserInfoAlgs []string

	// IntrospectionAlgs are the signature algorithms of introspection answers that are JWTs
	// (introspection_signed_response_alg). Empty means that answers are JSON, not JWTs.
	IntrospectionAlgs []string

	// IDTokenAlgs are the signature algorithms of the registration
	// (id_token_signed_response_alg). Empty means RS256.
	IDTokenAlgs []string

	// IDTokenKeys are the server's keys where they are pinned, or those of
	// idtoken.SecretKeys. nil means the keys of the server's jwks_uri.
	IDTokenKeys idtoken.KeySet

	// DecryptionKeys are the client's for encrypted ID tokens, ResponseDecryptionKeys those
	// for encrypted signed responses, UserInfoDecryptionKeys and IntrospectionDecryptionKeys
	// those for encrypted answers of these endpoints; several while they rotate. Where there
	// are any, encryption was agreed on, and what is not encrypted is refused; where there are
	// none, what is encrypted is.
	DecryptionKeys              []idtoken.DecryptionKey
	ResponseDecryptionKeys      []idtoken.DecryptionKey
	UserInfoDecryptionKeys      []idtoken.DecryptionKey
	IntrospectionDecryptionKeys []idtoken.DecryptionKey

	// TrustedAudiences are the audiences an ID token or a signed response may have beside
	// ClientID.
	TrustedAudiences []string

	// AuthorizedParties are the values that azp of an ID token may have beside ClientID.
	AuthorizedParties []string

	// Skew is how far the server's clock may be off. 0 means 30 seconds; at most 5 minutes.
	Skew time.Duration

	// MaxSize is the size of an ID token or a signed response in bytes. 0 means 16 KiB; at
	// most 64 KiB.
	MaxSize int

	// TokenTypes are other values of token_type that this server writes for bearer tokens.
	// nil means "Bearer" alone, in any case of letters. They are not accepted for tokens
	// that must be bound to a key.
	TokenTypes []string

	// OmitTokenResource leaves resource (RFC 8707) out of the token requests that follow a
	// request which named one: the code, refreshes, and logins on another device. It is for
	// servers that reject it there.
	OmitTokenResource bool

	// RequireIss refuses authorization responses without iss (RFC 9207) from servers that do
	// not announce it too. One that is there is always checked.
	RequireIss bool

	// DefaultLifetime is that of access tokens where the server does not say (no
	// expires_in). 0 means that it is not known.
	DefaultLifetime time.Duration

	// InsecureMissingTokenType takes token responses without token_type for bearer tokens.
	InsecureMissingTokenType bool

	// InsecureMissingNonce accepts ID tokens from the token endpoint without nonce, from
	// servers that drop it, such as LinkedIn. PKCE must be S256: it is then what binds the
	// response to the request. A nonce that is there is still checked.
	InsecureMissingNonce bool

	// InsecureNoPKCE sends no code_challenge and no code_verifier, for servers that reject
	// them. The client must authenticate, and every login needs an ID token with nonce: it
	// is then what binds the response to the request (RFC 9700 §2.1.1).
	InsecureNoPKCE bool

	// InsecureUnnamedUserInfo takes signed UserInfo answers that do not say by whom and for
	// whom they are (iss, aud), which OpenID Connect Core §5.3.2 recommends alone.
	InsecureUnnamedUserInfo bool

	// InsecureSkipSignature leaves out the signature of ID tokens that come straight from a
	// token endpoint over TLS, as OpenID Connect Core §3.1.3.7 rule 6 allows.
	InsecureSkipSignature bool

	// InsecureRSAOAEP decrypts JWTs of the server with RSA-OAEP too, which uses SHA-1; see
	// idtoken.Verifier.
	InsecureRSAOAEP bool

	// InsecureDraftLogout takes logout tokens without exp and with typ JWT, see
	// idtoken.Verifier.
	InsecureDraftLogout bool

	// DPoP has access tokens bound to a key. nil means that they are not.
	DPoP *DPoP

	// CertificateBound says that access tokens are bound to the certificate that HTTP
	// presents (RFC 8705 §3), whatever Auth is.
	CertificateBound bool

	// HTTP sends the requests. Its Transport is used (tracing, proxies); time-outs,
	// limits and the refusal of redirects stay the module's. nil means a client of our own.
	HTTP *http.Client

	// Now is the clock. nil means time.Now.
	Now func() time.Time
}

// Client signs users in at one server. It may be used by many goroutines at once.
type Client struct {
	unprinted[Client]

	config   Config
	provider *discovery.Provider
	verifier *idtoken.Verifier
	http     endpoint.Client
	used     usedStates
	nonces   dpop.Nonces
}

// New makes a Client, or names everything that is wrong with the configuration. It
// does not touch the network.
func New(config Config) (*Client, error) {
	config = config.own()
	if config.Scopes == nil {
		config.Scopes = []string{"openid"}
	}
	if config.Now == nil {
		config.Now = time.Now
	}
	if err := config.addProvider(); err != nil {
		return nil, err
	}
	if err := config.check(); err != nil {
		return nil, err
	}
	if config.RedirectURL == "" && len(config.IDTokenAlgs) == 0 {
		config.IDTokenAlgs = config.Profile.algs()
	}
	provider := config.provider()
	return &Client{
		config:   config,
		provider: provider,
		verifier: config.verifier(provider.Keys()),
		http:     endpoint.Client{HTTP: config.HTTP},
	}, nil
}

// addProvider gives a configuration what its shared Provider says about the server.
func (c *Config) addProvider() error {
	p := c.Provider
	if p == nil {
		return nil
	}
	if c.DiscoveryURL != "" && c.DiscoveryURL != p.URL || c.Metadata != nil && !reflect.DeepEqual(c.Metadata, p.Static) ||
		c.UntrustedIssuer && !p.UntrustedIssuer || c.InsecureHTTP && !p.InsecureHTTP {
		return errors.New("client: Config.DiscoveryURL, Metadata, UntrustedIssuer and InsecureHTTP are the Provider's: set them there")
	}
	if c.Issuer != "" && c.Issuer != p.Issuer {
		return fmt.Errorf("client: Config.Issuer is %q, and Provider.Issuer is %q: set one of them, or both to the same", c.Issuer, p.Issuer)
	}
	c.Issuer, c.DiscoveryURL, c.Metadata = p.Issuer, p.URL, p.Static
	c.UntrustedIssuer, c.InsecureHTTP = p.UntrustedIssuer, p.InsecureHTTP
	*c = c.own()
	return nil
}

// provider is the shared one, or the client's own.
func (c *Config) provider() *discovery.Provider {
	if c.Provider != nil {
		return c.Provider
	}
	return &discovery.Provider{
		Issuer: c.Issuer, URL: c.DiscoveryURL, Static: c.Metadata, HTTP: c.HTTP, Now: c.Now,
		UntrustedIssuer: c.UntrustedIssuer, InsecureHTTP: c.InsecureHTTP,
	}
}

// own is a copy that the caller does not change after it was checked.
func (c Config) own() Config {
	for _, list := range []*[]string{
		&c.Tenants, &c.Scopes, &c.TokenTypes, &c.ResponseAlgs, &c.UserInfoAlgs, &c.IDTokenAlgs, &c.IntrospectionAlgs, &c.TrustedAudiences, &c.AuthorizedParties,
	} {
		*list = slices.Clone(*list)
	}
	for _, keys := range []*[]idtoken.DecryptionKey{&c.DecryptionKeys, &c.ResponseDecryptionKeys, &c.UserInfoDecryptionKeys, &c.IntrospectionDecryptionKeys} {
		*keys = slices.Clone(*keys)
	}
	if c.DPoP != nil {
		d := *c.DPoP
		c.DPoP = &d
	}
	if c.Metadata != nil {
		m := *c.Metadata
		c.Metadata = &m
	}
	if c.LogoutEndpoint != nil {
		e := *c.LogoutEndpoint
		c.LogoutEndpoint = &e
	}
	if c.RequestObject != nil {
		o := *c.RequestObject
		c.RequestObject = &o
	}
	return c
}

// Config gives a copy of the configuration.
func (c *Client) Config() Config { return c.config.own() }

// name is the client in an error.
func (c *Client) name() string {
	return fmt.Sprintf("[client %s at %s]", c.config.ClientID, c.config.Issuer)
}

func (c *Config) verifier(keys idtoken.KeySet) *idtoken.Verifier {
	if c.IDTokenKeys != nil {
		keys = c.IDTokenKeys
	}
	return &idtoken.Verifier{
		Issuer: c.Issuer, IssuerAlias: c.IssuerAlias, Tenants: c.Tenants, ClientID: c.ClientID, Keys: keys, Algs: c.IDTokenAlgs, DecryptionKeys: c.DecryptionKeys,
		TrustedAudiences: c.TrustedAudiences, AuthorizedParties: c.AuthorizedParties, Skew: c.Skew, MaxSize: c.MaxSize, Now: c.Now,
		AcceptTenant: c.AcceptTenant, InsecureMissingNonce: c.InsecureMissingNonce, InsecureRSAOAEP: c.InsecureRSAOAEP,
		InsecureDraftLogout: c.InsecureDraftLogout, InsecureSkipSignature: c.InsecureSkipSignature,
	}
}

// Issuer is the issuer identifier of the client's server, as configured.
func (c *Client) Issuer() string { return c.config.Issuer }

// ResponseMode tells how authorization responses come: Config.ResponseMode, and where that
// leaves it to the server, what goes with the response type (OAuth 2.0 Multiple Response
// Type Encoding Practices, JARM): "query", "fragment", "form_post", or one of them with ".jwt".
func (c *Client) ResponseMode() string {
	usual := "query"
	if c.config.ResponseType != "" && c.config.ResponseType != ResponseCode {
		usual = "fragment"
	}
	if c.config.ResponseMode == "jwt" {
		return usual + ".jwt"
	}
	return cmp.Or(c.config.ResponseMode, usual)
}
