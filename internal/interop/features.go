package interop

import (
	"slices"
	"sync"
	"testing"

	"github.com/countersign/countersign/discovery"
)

// feature is a row of docs/interop.md.
type feature struct {
	name   string
	offers func(*server) bool // reports whether a server has the feature

	mu    sync.Mutex
	ended map[string]outcome // by server name
}

// outcome is the result for a feature at a server, as shown on the page.
type outcome string

const (
	untested outcome = ""
	passed   outcome = "works"
	failed   outcome = "fails"
	absent   outcome = "not offered by that server"
)

// features are the rows in order.
var features []*feature

func newFeature(name string, offers func(*server) bool) *feature {
	f := &feature{name: name, offers: offers, ended: map[string]outcome{}}
	features = append(features, f)
	return f
}

// always is for a feature that every server has.
func always(*server) bool { return true }

// at is for a feature that metadata does not describe. It names the servers that have it.
func at(names ...string) func(*server) bool {
	return func(s *server) bool { return slices.Contains(names, s.name) }
}

// lists is for a feature that a server has if its metadata lists value.
func lists(list func(*discovery.Metadata) []string, value string) func(*server) bool {
	return func(s *server) bool { return slices.Contains(list(s.metadata), value) }
}

// says is for a feature that a server has if its metadata says so.
func says(whether func(*discovery.Metadata) bool) func(*server) bool {
	return func(s *server) bool { return whether(s.metadata) }
}

func authMethods(m *discovery.Metadata) []string   { return m.TokenEndpointAuthMethodsSupported }
func responseModes(m *discovery.Metadata) []string { return m.ResponseModesSupported }
func grantTypes(m *discovery.Metadata) []string    { return m.GrantTypesSupported }
func deliveryModes(m *discovery.Metadata) []string { return m.BackchannelTokenDeliveryModesSupported }

var (
	secretBasic   = newFeature("`client_secret_basic`", lists(authMethods, "client_secret_basic"))
	secretPost    = newFeature("`client_secret_post`", lists(authMethods, "client_secret_post"))
	publicClient  = newFeature("public clients (`none`)", always)
	secretJWT     = newFeature("`client_secret_jwt`", lists(authMethods, "client_secret_jwt"))
	privateKeyJWT = newFeature("`private_key_jwt`", lists(authMethods, "private_key_jwt"))
	federatedJWT  = newFeature("assertions that the platform issued (RFC 7523 §2.2)", at("keycloak"))

	federatedKubernetes = newFeature("service account tokens of Kubernetes, from a file", at("keycloak"))
	spiffeJWT           = newFeature("JWT-SVIDs (`jwt-spiffe`)", at("keycloak"))

	tlsAuth    = newFeature("`tls_client_auth`", lists(authMethods, "tls_client_auth"))
	selfSigned = newFeature("`self_signed_tls_client_auth`", lists(authMethods, "self_signed_tls_client_auth"))

	challengeS256   = newFeature("PKCE, `S256`", always)
	challengePlain  = newFeature("PKCE, `plain`", at("keycloak"))
	pushedRequest   = newFeature("pushed requests (RFC 9126)", says(pushes))
	objectPushed    = newFeature("request objects (RFC 9101), pushed", says(pushesObjects))
	objectByValue   = newFeature("request objects in the browser's address", says(takesObjects))
	objectByAddress = newFeature("request objects by `request_uri`", says(fetchesObjects))
	objectEncrypted = newFeature("encrypted request objects", lists(func(m *discovery.Metadata) []string {
		return m.RequestObjectEncryptionAlgValuesSupported
	}, "RSA-OAEP-256"))
	resourceParameter = newFeature("`resource` (RFC 8707)", at("oidc-provider"))
	details           = newFeature("`authorization_details` (RFC 9396)", says(func(m *discovery.Metadata) bool {
		return len(m.AuthorizationDetailsTypesSupported) > 0
	}))
	acrValues   = newFeature("`acr_values`, and `acr` held against them", always)
	stepUp      = newFeature("step-up by an essential `acr` in `claims`", at("oidc-provider", "keycloak"))
	singleClaim = newFeature("`claims` for any claim", at("oidc-provider"))
	maxAge      = newFeature("`max_age`, and `auth_time` held against it", always)

	responseIssuer = newFeature("`iss` in the response (RFC 9207)", says(func(m *discovery.Metadata) bool {
		return m.AuthorizationResponseIssParameterSupported
	}))
	formPost          = newFeature("`form_post`", lists(responseModes, "form_post"))
	hybrid            = newFeature("`code id_token`", lists(func(m *discovery.Metadata) []string { return m.ResponseTypesSupported }, "code id_token"))
	responseSigned    = newFeature("signed responses (JARM): `query.jwt`, `fragment.jwt`, `form_post.jwt`", lists(responseModes, "form_post.jwt"))
	responseEncrypted = newFeature("encrypted responses (JARM)", lists(func(m *discovery.Metadata) []string {
		return m.AuthorizationEncryptionAlgValuesSupported
	}, "RSA-OAEP-256"))

	refreshing        = newFeature("refresh", always)
	refreshedOnce     = newFeature("refreshed once for many callers", always)
	moreScope         = newFeature("an API asks for more scope, and gets it after a login", always)
	clientCredentials = newFeature("client credentials", lists(grantTypes, "client_credentials"))
	jwtBearer         = newFeature("JWT bearer (RFC 7523)", at("keycloak", "hydra"))
	crossAppGrant     = newFeature("grants of an identity provider for another application (ID-JAG)", at("keycloak"))
	tokenExchange     = newFeature("token exchange (RFC 8693)", lists(grantTypes, "urn:ietf:params:oauth:grant-type:token-exchange"))
	deviceLogin       = newFeature("device (RFC 8628)", lists(grantTypes, "urn:ietf:params:oauth:grant-type:device_code"))
	backchannelPoll   = newFeature("CIBA, poll", lists(deliveryModes, "poll"))
	backchannelPing   = newFeature("CIBA, ping", lists(deliveryModes, "ping"))
	backchannelSigned = newFeature("CIBA, signed requests", lists(func(m *discovery.Metadata) []string {
		return m.BackchannelAuthRequestSigningAlgsSupported
	}, "PS256"))

	moreACR           = newFeature("an API asks for a stronger login (RFC 9470), and gets it", at("keycloak", "hydra"))
	idTokenEncrypted  = newFeature("encrypted ID tokens", lists(encryptsIDTokens, "RSA-OAEP-256"))
	userInfo          = newFeature("UserInfo", always)
	userInfoSigned    = newFeature("signed UserInfo", func(s *server) bool { return slices.Contains(signsUserInfo(s.metadata), s.signingAlg()) })
	userInfoEncrypted = newFeature("encrypted UserInfo", lists(encryptsUserInfo, "RSA-OAEP-256"))

	profilePlain = newFeature("profiles OpenID Connect Basic and OAuth 2.1", always)
	profileFAPI2 = newFeature("profiles FAPI 2.0 Security Profile and Message Signing", says(bindsToKeys))
	profileFAPI1 = newFeature("profile FAPI 1.0 Advanced: a signed response, and `code id_token`", says(bindsToCertificates))

	proof                = newFeature("DPoP (RFC 9449): login, refresh, UserInfo", says(bindsToKeys))
	proofAtAPI           = newFeature("DPoP at an API", says(bindsToKeys))
	proofNonce           = newFeature("DPoP with the server's nonces", at("oidc-provider"))
	certificateBound     = newFeature("tokens bound to a certificate (RFC 8705 §3)", says(bindsToCertificates))
	tokenJWT             = newFeature("access tokens that are JWTs, at an API", always)
	tokenRFC9068         = newFeature("access tokens of RFC 9068", at("oidc-provider", "keycloak"))
	introspected         = newFeature("introspection (RFC 7662)", says(introspects))
	introspectedByClient = newFeature("introspection by a client", says(introspects))
	introspectedSigned   = newFeature("signed introspection (RFC 9701)", lists(func(m *discovery.Metadata) []string {
		return m.IntrospectionSigningAlgValuesSupported
	}, "PS256"))
	introspectedEncrypted = newFeature("encrypted introspection (RFC 9701)", lists(func(m *discovery.Metadata) []string {
		return m.IntrospectionEncryptionAlgValuesSupported
	}, "RSA-OAEP-256"))
	revoked = newFeature("revocation (RFC 7009)", says(func(m *discovery.Metadata) bool {
		return m.RevocationEndpoint != ""
	}))
	loggedOut = newFeature("RP-initiated logout, and back with `state`", says(func(m *discovery.Metadata) bool {
		return m.EndSessionEndpoint != ""
	}))
	toldToEnd = newFeature("back-channel logout: the server ends a session of `client/login`", says(func(m *discovery.Metadata) bool {
		return m.BackchannelLogoutSupported
	}))
	eventsPolled = newFeature("security events (SSF 1.0) by poll end sessions and tokens", at("keycloak"))
	eventsPushed = newFeature("security events (SSF 1.0) by push over TLS end sessions and tokens", at("keycloak"))
	registered   = newFeature("dynamic registration (RFC 7591), and its management (RFC 7592)", says(registers))
	keysRotated  = newFeature("`private_key_jwt` by keys that the client serves and rotates", says(registers))
	documented   = newFeature("client ID metadata documents", says(func(m *discovery.Metadata) bool {
		return m.ClientIDMetadataDocumentSupported
	}))
)

func introspects(m *discovery.Metadata) bool { return m.IntrospectionEndpoint != "" }
func registers(m *discovery.Metadata) bool   { return m.RegistrationEndpoint != "" }
func bindsToCertificates(m *discovery.Metadata) bool {
	return m.TLSClientCertificateBoundAccessTokens
}

func bindsToKeys(m *discovery.Metadata) bool  { return len(m.DPoPSigningAlgValuesSupported) > 0 }
func takesObjects(m *discovery.Metadata) bool { return m.RequestParameterSupported }

func pushes(m *discovery.Metadata) bool        { return m.PushedAuthorizationRequestEndpoint != "" }
func pushesObjects(m *discovery.Metadata) bool { return pushes(m) && takesObjects(m) }

func fetchesObjects(m *discovery.Metadata) bool {
	return m.RequestURIParameterSupported == nil || *m.RequestURIParameterSupported
}

func encryptsIDTokens(m *discovery.Metadata) []string { return m.IDTokenEncryptionAlgValuesSupported }
func signsUserInfo(m *discovery.Metadata) []string    { return m.UserInfoSigningAlgValuesSupported }
func encryptsUserInfo(m *discovery.Metadata) []string { return m.UserInfoEncryptionAlgValuesSupported }

// each runs a test with every server that has the feature, and records the result.
func (f *feature) each(t *testing.T, test func(*testing.T, *server)) {
	t.Helper()
	eachServer(t, func(t *testing.T, s *server) { f.with(t, s, test) })
}

// eachTLS is like each, but over https with the client certificate of that name.
func (f *feature) eachTLS(t *testing.T, name string, test func(*testing.T, *server)) {
	t.Helper()
	f.withTLS(t, func(t *testing.T, s *server) { test(t, s.overTLS(t, name)) })
}

func (f *feature) withTLS(t *testing.T, test func(*testing.T, *server)) {
	t.Helper()
	eachServer(t, func(t *testing.T, s *server) { f.with(t, s.overTLS(t, ""), test) })
}

func (f *feature) with(t *testing.T, s *server, test func(*testing.T, *server)) {
	t.Helper()
	if !f.offers(s) {
		f.end(s.name, absent)
		t.Logf("%s: %s", f.name, absent)
		return
	}
	note(t, s, f)
	test(t, s)
}

// note records the result of the test for the given features when the test ends.
func note(t *testing.T, s *server, shown ...*feature) {
	t.Helper()
	t.Cleanup(func() {
		ended := passed
		if t.Failed() {
			ended = failed
		}
		for _, f := range shown {
			f.end(s.name, ended)
		}
	})
}

// end records a result. Of several results, a failure has precedence, then a result with a
// remark, then a plain pass.
func (f *feature) end(server string, ended outcome) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if now := f.ended[server]; now == untested || now == passed || ended == failed {
		f.ended[server] = ended
	}
}
