// Package fositeserver is an authorization server that is built with ory/fosite. The tests
// use it as a server that the module's authors did not write. fosite implements OAuth 2.0 and
// OpenID Connect. This package adds what fosite leaves to its host: metadata, keys, a login
// form, UserInfo, and iss in authorization responses.
//
// It is for tests on loopback. Accounts, keys and tokens are in memory and are lost when the
// process ends. Nothing that fosite stores is ever removed.
package fositeserver

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"errors"
	"log/slog"
	"net/http"
	"time"

	"github.com/go-jose/go-jose/v3"
	"github.com/ory/fosite"
	"github.com/ory/fosite/compose"
	"github.com/ory/fosite/storage"
	"github.com/ory/fosite/token/jwt"
	"golang.org/x/crypto/bcrypt"
)

// Config is the configuration of the server. Issuer, Clients and Users are required.
type Config struct {
	// Issuer is the server's address, without a path: "http://127.0.0.1:9000".
	Issuer string

	// Clients are the registered clients, including resource servers that use introspection.
	Clients []Client

	// Users are the accounts. The login form shows the password of the first one, because
	// this is a demonstration.
	Users []User

	// OpaqueTokens issues opaque access tokens, which an API must introspect. The zero value
	// issues JWTs, RFC 9068.
	OpaqueTokens bool

	// Logger receives one line for every request that is rejected. nil means slog.Default.
	Logger *slog.Logger
}

// Client is a registration. A client without RedirectURLs and Grants can only use
// introspection.
type Client struct {
	ID           string
	Secret       string // "" makes it a public client
	Name         string // for the login form; "" means the ID
	RedirectURLs []string
	Scopes       []string
	Audience     []string // the resource servers that its tokens may be for
	Grants       []string // its grant types; nil means the grants with a user, in a browser or on a device
	Resource     string   // the resource server that the client itself is: it may exchange tokens for that one
}

// User is an account.
type User struct {
	Subject  string // the sub claim; never shown to the user
	Username string
	Password string
	Name     string
	Email    string
}

// Server is the authorization server, an http.Handler.
type Server struct {
	config   Config
	key      jose.JSONWebKey
	provider *fosite.Fosite
	pushed   *storage.MemoryStore
	pending  pending
	devices  devices
	http.Handler
}

// New returns a server with a newly generated signing key.
func New(config Config) (*Server, error) {
	if config.Issuer == "" || len(config.Clients) == 0 || len(config.Users) == 0 {
		return nil, errors.New("fositeserver: Config.Issuer, Clients or Users is missing")
	}
	if config.Logger == nil {
		config.Logger = slog.Default()
	}
	private, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		return nil, err
	}
	s := &Server{config: config, key: jose.JSONWebKey{Key: private, KeyID: rand.Text(), Algorithm: "RS256", Use: "sig"}}
	store, err := s.store()
	if err != nil {
		return nil, err
	}
	s.pushed = store
	s.provider = s.compose(store)
	s.Handler = s.routes()
	return s, nil
}

func (s *Server) store() (*storage.MemoryStore, error) {
	store := storage.NewMemoryStore()
	for _, c := range s.config.Clients {
		registered := &fosite.DefaultClient{
			ID: c.ID, Public: c.Secret == "", RedirectURIs: c.RedirectURLs, Scopes: c.Scopes, Audience: c.Audience,
			ResponseTypes: []string{"code"}, GrantTypes: grants(c),
		}
		if c.Secret != "" {
			hash, err := bcrypt.GenerateFromPassword([]byte(c.Secret), bcrypt.MinCost)
			if err != nil {
				return nil, err
			}
			registered.Secret = hash
		}
		store.Clients[c.ID] = &fosite.DefaultResponseModeClient{
			DefaultClient: registered, ResponseModes: []fosite.ResponseModeType{fosite.ResponseModeQuery, fosite.ResponseModeFormPost},
		}
	}
	return store, nil
}

// keepPushed keeps pushed requests until the user has decided, so that the form can be
// reloaded (RFC 9126 §4).
type keepPushed struct{ *storage.MemoryStore }

// DeletePARSession does nothing; see Server.decided.
func (keepPushed) DeletePARSession(context.Context, string) error { return nil }

// grants returns the client's grant types. By default a public client also gets the
// device grant, to sign in with a browser on another device.
func grants(c Client) []string {
	if c.Grants != nil {
		return c.Grants
	}
	if c.Secret == "" {
		return []string{"authorization_code", grantDevice}
	}
	return []string{"authorization_code"}
}

// compose configures only the parts of fosite that are needed, and the grants that fosite
// does not have.
func (s *Server) compose(store *storage.MemoryStore) *fosite.Fosite {
	config := s.fositeConfig()
	key := func(context.Context) (any, error) { return &s.key, nil }
	strategy := &compose.CommonStrategy{
		CoreStrategy:               compose.NewOAuth2HMACStrategy(config),
		OpenIDConnectTokenStrategy: compose.NewOpenIDConnectStrategy(key, config),
		Signer:                     &jwt.DefaultSigner{GetPrivateKey: key},
	}
	if !s.config.OpaqueTokens {
		strategy.CoreStrategy = compose.NewOAuth2JWTStrategy(key, strategy.CoreStrategy, config)
	}
	provider := compose.Compose(config, keepPushed{store}, strategy,
		compose.OAuth2AuthorizeExplicitFactory,
		compose.OpenIDConnectExplicitFactory,
		compose.OAuth2PKCEFactory,
		compose.PushedAuthorizeHandlerFactory,
		compose.OAuth2TokenIntrospectionFactory,
		compose.OAuth2ClientCredentialsGrantFactory,
	).(*fosite.Fosite)
	config.TokenEndpointHandlers.Append(newDeviceGrant(&s.devices, config, store, strategy))
	config.TokenEndpointHandlers.Append(newExchangeGrant(s, config, store, strategy))
	return provider
}

func (s *Server) fositeConfig() *fosite.Config {
	secret := make([]byte, 32)
	rand.Read(secret)
	return &fosite.Config{
		GlobalSecret:                   secret,
		IDTokenIssuer:                  s.config.Issuer,
		AccessTokenIssuer:              s.config.Issuer,
		TokenURL:                       s.config.Issuer + tokenPath,
		EnforcePKCE:                    true,
		ScopeStrategy:                  fosite.ExactScopeStrategy,
		AudienceMatchingStrategy:       matchResources,
		JWTScopeClaimKey:               jwt.JWTScopeFieldString, // RFC 9068 §2.2.3
		HashCost:                       bcrypt.MinCost,
		AuthorizeCodeLifespan:          time.Minute,
		AccessTokenLifespan:            10 * time.Minute,
		IDTokenLifespan:                10 * time.Minute,
		PushedAuthorizeContextLifespan: formLifetime,
		DisableRefreshTokenValidation:  true,
		OmitRedirectScopeParam:         true,
	}
}
