package interop

import (
	"cmp"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/countersign/countersign/client"
	"github.com/countersign/countersign/client/auth"
	"github.com/countersign/countersign/discovery"
	"github.com/countersign/countersign/rs"
)

// The configuration of the servers. oidc-provider/server.mjs, keycloak/realm.json and
// hydraclients.go contain the same values.
const (
	user   = "alice"
	secret = "interop: 100% +/&=?" // it must be encoded in a Basic header
	apiID  = "https://api.example" // the API's identifier, and its client ID for introspection

	longSecret = "interop: what an HMAC is made with has 32 bytes" // of the client secret-jwt

	opaqueID  = "https://opaque.example"  // an API whose tokens are opaque
	printerID = "https://printer.example" // an API that is not ours
)

// auths maps each client ID to the client authentication method with the same name.
var auths = map[string]auth.Method{
	"basic":  auth.SecretBasic(secret),
	"post":   auth.SecretPost(secret),
	"public": auth.Public(),
}

// server is a running authorization server.
type server struct {
	name     string
	issuer   string
	provider *discovery.Provider
	metadata *discovery.Metadata
	http     *http.Client // nil for the module's own client
	tokens   []tokenKind

	plain   bool     // it has no https address
	scopes  []string // scopes that every login requests in addition
	claimed bool     // a scope of the login selects the audience of its access token
	alg     string   // signs what it signs by more than one algorithm; "" is PS256
}

// signingAlg is the signature algorithm for clients that can choose one.
func (s *server) signingAlg() string { return cmp.Or(s.alg, "PS256") }

// assertion returns the client assertion settings for this server. hydra expects the token
// endpoint as aud; other servers expect the issuer.
func (s *server) assertion() auth.Assertion {
	if s.name == hydra.name {
		return auth.Assertion{Audience: s.metadata.TokenEndpoint}
	}
	return auth.Assertion{}
}

// tokenKind is a kind of access token that a server issues, with the verifier of an API for
// it.
type tokenKind struct {
	name     string
	resource string // parameter requests it (RFC 8707); "" where no parameter is needed
	verifier func(*server) rs.Verifier
	shows    *feature
	apiOnly  bool // the UserInfo endpoint rejects it
}

// request returns a login request for tokens of this kind.
func (k tokenKind) request() client.Request {
	if k.resource == "" {
		return client.Request{}
	}
	return client.Request{Resources: []string{k.resource}}
}

var oidcProvider = server{name: "oidc-provider", tokens: []tokenKind{
	{name: "jwt", shows: tokenJWT, resource: apiID, apiOnly: true, verifier: (*server).rfc9068},
	{name: "opaque", shows: introspected, verifier: func(s *server) rs.Verifier { return s.introspection("") }},
	{name: "opaque-for-api", shows: introspected, resource: opaqueID, apiOnly: true, verifier: func(s *server) rs.Verifier {
		return s.introspection(opaqueID)
	}},
	{name: "either", shows: introspected, verifier: func(s *server) rs.Verifier {
		return &rs.JWTOrOpaque{JWT: s.rfc9068(), Opaque: s.introspection("")}
	}},
}}

var keycloak = server{name: "keycloak", claimed: true, tokens: []tokenKind{
	{name: "jwt", shows: tokenJWT, verifier: (*server).keycloakJWT},
	{name: "jwt-introspected", shows: introspected, verifier: func(s *server) rs.Verifier { return s.introspection(apiID) }},
}}

// hydra issues opaque access tokens, unless a client is registered for JWTs.
var hydra = server{name: "hydra", plain: true, claimed: true, scopes: []string{"offline_access"}, alg: "RS256", tokens: []tokenKind{
	{name: "jwt", shows: tokenJWT, verifier: (*server).hydraJWT},
	{name: "jwt-introspected", shows: introspected, verifier: func(s *server) rs.Verifier { return s.introspection(apiID) }},
}}

// hydraJWT returns a verifier for hydra's JWT access tokens.
func (s *server) hydraJWT() rs.Verifier {
	return &rs.JWT{Issuer: s.issuer, Audience: apiID, Keys: s.provider.Keys(), Typ: "JWT", ScopeClaim: "scp"}
}

// rfc9068 returns a verifier for the JWT access tokens of oidc-provider.
func (s *server) rfc9068() rs.Verifier {
	return &rs.JWT{Issuer: s.issuer, Audience: apiID, Keys: s.provider.Keys(), Algs: []string{"ES256"}}
}

// keycloakJWT returns a verifier for Keycloak's default access tokens. They do not follow RFC
// 9068: their header is the same as that of an ID token.
func (s *server) keycloakJWT() rs.Verifier {
	return &rs.JWT{
		Issuer: s.issuer, Audience: apiID, Keys: s.provider.Keys(),
		Typ: "JWT", Claims: map[string]string{"typ": "Bearer"}, ClientIDClaim: "azp",
	}
}

// introspection returns a verifier that asks the server about tokens for audience.
func (s *server) introspection(audience string) *rs.Introspection {
	return &rs.Introspection{
		Server: s.provider, Issuer: s.issuer, Audience: audience,
		Auth: auth.SecretBasic(secret).For(apiID, s.issuer),
	}
}

// eachServer runs f with every server.
func eachServer(t *testing.T, f func(*testing.T, *server)) {
	t.Helper()
	withServer(t, oidcProvider, f)
	withServer(t, keycloak, f)
	withServer(t, hydra, f)
}

// withServer runs f with the server if COUNTERSIGN_INTEROP selects it. An empty value selects
// all servers.
func withServer(t *testing.T, s server, f func(*testing.T, *server)) {
	t.Helper()
	selected := os.Getenv("COUNTERSIGN_INTEROP")
	if selected != "" && !slices.Contains(strings.Split(selected, ","), s.name) {
		return
	}
	t.Run(s.name, func(t *testing.T) {
		s.find(t, "")
		f(t, &s)
	})
}

// overTLS returns the server with its https address, for a client with a certificate.
func (s server) overTLS(t *testing.T, certificate string) *server {
	t.Helper()
	if s.plain {
		return &s
	}
	s.http = &http.Client{Transport: transport(t, certificate)}
	s.find(t, "_TLS")
	return &s
}

// find reads the server's address from the environment and the rest from the server.
func (s *server) find(t *testing.T, suffix string) {
	t.Helper()
	env := "COUNTERSIGN_INTEROP_" + strings.ToUpper(strings.ReplaceAll(s.name, "-", "_"))
	s.issuer = os.Getenv(env + suffix)
	if s.issuer == "" {
		missing(t, s.name, os.Getenv(env+"_MISSING"))
	}
	s.discover()
	metadata, err := s.provider.Metadata(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	s.metadata = metadata
	if s.name == hydra.name {
		s.findAdmin(t)
	}
}

// findAdmin reads hydra's admin address and registers the clients there.
func (s *server) findAdmin(t *testing.T) {
	t.Helper()
	if err := hydraClients(); err != nil {
		t.Fatal(err)
	}
	metadata := *s.metadata
	metadata.IntrospectionEndpoint = hydraAdmin() + "/admin/oauth2/introspect"
	s.metadata = &metadata
	s.provider = &discovery.Provider{Issuer: s.issuer, Static: s.metadata}
}

// discover sets the provider for the server's metadata.
func (s *server) discover() { s.provider = &discovery.Provider{Issuer: s.issuer, HTTP: s.http} }

// missing skips the test. In CI it fails the test instead, so that a missing server is
// noticed.
func missing(t *testing.T, name, why string) {
	t.Helper()
	if why == "" {
		why = "start the tests with internal/interop/run"
	}
	if os.Getenv("CI") == "true" {
		t.Fatalf("%s does not run: %s", name, why)
	}
	t.Skipf("%s does not run: %s", name, why)
}

// config returns the configuration of a client at the server. Every test creates its own
// client, because a client.Client stores which logins it has finished.
func (s *server) config(clientID string) client.Config {
	method, ok := auths[clientID]
	if !ok {
		method = auth.SecretBasic(secret)
	}
	return client.Config{
		Issuer: s.issuer, ClientID: clientID, Auth: method, RedirectURL: appURL + "/callback",
		Scopes: slices.Concat([]string{"openid", "email", "photos.read"}, s.scopes), HTTP: s.http,
	}
}
