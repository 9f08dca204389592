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

// PARMode says whether the client pushes authorization requests, RFC 9126.
type PARMode int

// The modes. If a push fails, the login fails: the client does not send the request another way.
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

// Config describes one registration at one server. Issuer, ClientID and Auth are required.
// RedirectURL is required to sign users in.
type Config struct {
	// Issuer is the server's issuer identifier, exactly as the server writes it.
	Issuer string

	// Profile is the set of rules to enforce. The zero value means none. The rules for logins in
	// the browser apply only to a client with a RedirectURL.
	Profile Profile

	// IssuerAlias and Tenants have the same meaning as in idtoken.Verifier. They are for Google,
	// and for Entra ID if Issuer contains {tenantid}. Both are empty for other servers.
	IssuerAlias string
	Tenants     []string

	// AcceptTenant accepts or rejects tenants that are not in Tenants, for products that any
	// organization can join. It is called after the format of the tenant ID was checked. Results
	// are cached for one minute. nil means that only Tenants may sign in.
	AcceptTenant func(ctx context.Context, tenantID string) (bool, error)

	// DiscoveryURL is the URL of the metadata, for servers that do not publish it under their
	// issuer identifier. See discovery.Provider. "" means the URL of OpenID Connect Discovery.
	DiscoveryURL string

	// Metadata is the server's metadata if it is configured and not discovered. Its issuer must
	// be Issuer. nil means discovery at the first use.
	Metadata *discovery.Metadata

	// UntrustedIssuer says that the operator did not choose Issuer, for example because a
	// customer of the application did. Then no request reaches a private address. See
	// discovery.Provider, and discovery.Dialer if HTTP has a Transport.
	UntrustedIssuer bool

	// InsecureHTTP accepts http for RedirectURL, the issuer and its endpoints on every host,
	// such as http://keycloak:8080, in development. Otherwise http is accepted only on
	// loopback. Profiles reject it.
	InsecureHTTP bool

	// Provider shares the server's metadata and keys with rs.JWT or with other clients of the
	// same server. They are then fetched once. Issuer must be empty or the Provider's issuer.
	// DiscoveryURL, Metadata, UntrustedIssuer and InsecureHTTP are set in the Provider and must
	// not be set here. Each client sends its other requests with its own HTTP. nil means that
	// the client fetches metadata and keys itself.
	Provider *discovery.Provider

	// ClientID is the client_id of the registration.
	ClientID string

	// Auth is the client authentication method. Functions of package client/auth return it: Secret
	// for a client with a secret, Public for one without, PrivateKeyJWT and others.
	Auth auth.Method

	// RedirectURL is the redirect_uri of the registration. It is sent unchanged and never
	// derived from a request. "" is for a client that never signs users in with a browser: Begin
	// and Exchange then fail.
	RedirectURL string

	// PostLogoutRedirectURL is the URL to which the server redirects the browser after a logout. It
	// must be one of the registered post_logout_redirect_uris. It is sent unchanged and never derived
	// from a request. With "" the server sends no redirect. After a logout the browser stays on a page
	// of the server, and does not return to the application.
	PostLogoutRedirectURL string

	// LogoutEndpoint is for servers with a proprietary logout endpoint. nil means the
	// end_session_endpoint of the server's metadata.
	LogoutEndpoint *LogoutEndpoint

	// Scopes are requested in every login. nil means only "openid". An empty list sends no
	// scope. Without "openid" no ID token is required.
	Scopes []string

	// PKCE is the code challenge method. The zero value is S256.
	PKCE pkce.Method

	// PAR says whether requests are pushed. The zero value follows the server's metadata.
	PAR PARMode

	// RequestObject sends requests as signed JWTs. nil means plain parameters.
	RequestObject *RequestObject

	// RepeatParameters repeats response_type, scope and redirect_uri in the browser's address,
	// beside request or request_uri. It is for servers that require this.
	RepeatParameters bool

	// ResponseType is the requested response type. "" means ResponseCode. The two other values
	// add an ID token, which few servers need. An access token from the browser is never
	// accepted.
	ResponseType string

	// ResponseMode is how the browser delivers the response. "" lets the server choose (the
	// query, for a code). The plain modes are "query", "fragment" and "form_post". With
	// "fragment", the page at RedirectURL passes the values on. The signed modes (JARM) are
	// "jwt", "query.jwt", "fragment.jwt" and "form_post.jwt". With a signed mode, an unsigned
	// response is rejected.
	ResponseMode string

	// ResponseAlgs are the signature algorithms of signed responses
	// (authorization_signed_response_alg). Empty means RS256.
	ResponseAlgs []string

	// UserInfoAlgs are the signature algorithms of signed UserInfo responses
	// (userinfo_signed_response_alg). Empty means that responses are JSON, not JWTs.
	UserInfoAlgs []string

	// IntrospectionAlgs are the signature algorithms of signed introspection responses
	// (introspection_signed_response_alg). Empty means that responses are JSON, not JWTs.
	IntrospectionAlgs []string

	// IDTokenAlgs are the signature algorithms of ID tokens (id_token_signed_response_alg).
	// Empty means RS256.
	IDTokenAlgs []string

	// IDTokenKeys are pinned keys of the server, or the result of idtoken.SecretKeys. nil means
	// the keys of the server's jwks_uri.
	IDTokenKeys idtoken.KeySet

	// DecryptionKeys decrypt ID tokens. ResponseDecryptionKeys decrypt signed responses.
	// UserInfoDecryptionKeys and IntrospectionDecryptionKeys decrypt the responses of these
	// endpoints. During rotation a list holds several keys. With keys, an unencrypted value is
	// rejected. Without keys, an encrypted value is rejected.
	DecryptionKeys              []idtoken.DecryptionKey
	ResponseDecryptionKeys      []idtoken.DecryptionKey
	UserInfoDecryptionKeys      []idtoken.DecryptionKey
	IntrospectionDecryptionKeys []idtoken.DecryptionKey

	// TrustedAudiences are the audiences that an ID token or a signed response may contain in
	// addition to ClientID. Empty means only ClientID.
	TrustedAudiences []string

	// AuthorizedParties are the accepted values of azp in an ID token in addition to ClientID.
	// Empty means only ClientID.
	AuthorizedParties []string

	// Skew is the accepted difference from the server's clock. 0 means 30 seconds. The maximum
	// is 5 minutes.
	Skew time.Duration

	// MaxSize is the maximum size of an ID token or a signed response in bytes. 0 means 16 KiB.
	// The maximum is 64 KiB.
	MaxSize int

	// TokenTypes are additional values of token_type that this server uses for bearer tokens.
	// nil means only "Bearer", in any case. They are not accepted for sender-constrained tokens.
	TokenTypes []string

	// OmitTokenResource omits resource (RFC 8707) from token requests whose authorization
	// request contained it: for the code, for refreshes and for logins on another device. It is
	// for servers that reject it there.
	OmitTokenResource bool

	// RequireIss rejects authorization responses without iss (RFC 9207), even if the server does
	// not announce it. A response with an ID token may lack iss, because the ID token has it. An
	// iss in the response is always checked.
	RequireIss bool

	// DefaultLifetime is the lifetime of access tokens if the response has no expires_in. 0
	// means that it is unknown.
	DefaultLifetime time.Duration

	// InsecureMissingTokenType accepts token responses without token_type as bearer tokens.
	InsecureMissingTokenType bool

	// InsecureMissingNonce accepts ID tokens without nonce from the token endpoint. It is for
	// servers that omit it, such as LinkedIn. PKCE must be S256, because PKCE then binds the
	// response to the request. A nonce in the ID token is still checked.
	InsecureMissingNonce bool

	// InsecureNoPKCE sends no code_challenge and no code_verifier, for servers that reject them.
	// The client must authenticate. Every login requires an ID token with nonce, because the
	// nonce then binds the response to the request (RFC 9700 §2.1.1).
	InsecureNoPKCE bool

	// InsecureUnnamedUserInfo accepts signed UserInfo responses without iss and aud. OpenID
	// Connect Core §5.3.2 only recommends these claims.
	InsecureUnnamedUserInfo bool

	// InsecureSkipSignature does not verify the signature of ID tokens from the token endpoint,
	// if the connection used TLS (OpenID Connect Core §3.1.3.7 rule 6).
	InsecureSkipSignature bool

	// InsecureRSAOAEP also decrypts the server's JWTs with RSA-OAEP, which uses SHA-1. See
	// idtoken.Verifier.
	InsecureRSAOAEP bool

	// InsecureDraftLogout accepts logout tokens without exp and with typ JWT. See
	// idtoken.Verifier.
	InsecureDraftLogout bool

	// DPoP binds access tokens to a key. nil means bearer tokens.
	DPoP *DPoP

	// CertificateBound says that the server binds access tokens to the client certificate of
	// HTTP (RFC 8705 §3). It applies to every Auth.
	CertificateBound bool

	// HTTP sends the requests. Its Transport is used, for tracing or proxies. The module always
	// applies its own timeouts and limits, and it rejects redirects. nil means the module's own
	// client.
	HTTP *http.Client

	// Now is the clock. nil means time.Now.
	Now func() time.Time
}

// Client signs users in at one server. It is safe for concurrent use.
type Client struct {
	unprinted[Client]

	config   Config
	provider *discovery.Provider
	verifier *idtoken.Verifier
	http     endpoint.Client
	used     usedStates
	nonces   dpop.Nonces
}

// New returns a Client. The error lists every fault of the configuration. New sends no request.
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

// addProvider fills in what a shared Provider says about the server.
func (c *Config) addProvider() error {
	p := c.Provider
	if p == nil {
		return nil
	}
	if c.DiscoveryURL != "" && c.DiscoveryURL != p.URL || c.Metadata != nil && !reflect.DeepEqual(c.Metadata, p.Static) ||
		c.UntrustedIssuer && !p.UntrustedIssuer || c.InsecureHTTP && !p.InsecureHTTP {
		return errors.New("client: Config.DiscoveryURL, Metadata, UntrustedIssuer or InsecureHTTP is set together with Config.Provider: set it in the Provider")
	}
	if c.Issuer != "" && c.Issuer != p.Issuer {
		return fmt.Errorf("client: Config.Issuer is %q, but Provider.Issuer is %q: set only one, or both to the same value", c.Issuer, p.Issuer)
	}
	c.Issuer, c.DiscoveryURL, c.Metadata = p.Issuer, p.URL, p.Static
	c.UntrustedIssuer, c.InsecureHTTP = p.UntrustedIssuer, p.InsecureHTTP
	*c = c.own()
	return nil
}

// provider returns the shared Provider, or a new one for this client.
func (c *Config) provider() *discovery.Provider {
	if c.Provider != nil {
		return c.Provider
	}
	return &discovery.Provider{
		Issuer: c.Issuer, URL: c.DiscoveryURL, Static: c.Metadata, HTTP: c.HTTP, Now: c.Now,
		UntrustedIssuer: c.UntrustedIssuer, InsecureHTTP: c.InsecureHTTP,
	}
}

// own returns a copy that the caller cannot change after it was checked.
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

// Config returns a copy of the configuration.
func (c *Client) Config() Config { return c.config.own() }

// name identifies the client in an error.
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

// Issuer returns the configured issuer identifier of the client's server.
func (c *Client) Issuer() string { return c.config.Issuer }

// ResponseMode returns how the browser delivers authorization responses: "query", "fragment",
// "form_post", or one of them with ".jwt". If Config.ResponseMode lets the server choose, it is
// the default of the response type (OAuth 2.0 Multiple Response Type Encoding Practices, JARM).
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
