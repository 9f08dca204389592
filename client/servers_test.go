package client_test

import (
	"crypto/x509"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/countersign/countersign/client"
	"github.com/countersign/countersign/client/auth"
	"github.com/countersign/countersign/idtoken"
	"github.com/countersign/countersign/internal/optest"
)

// The servers of the presets, with the deviations that their documentation and their operators
// describe.

const (
	tenant      = "11111111-2222-3333-4444-555555555555"
	otherTenant = "99999999-2222-3333-4444-555555555555"
	aicRealm    = "https://t.forgeblocks.com:443/am/oauth2/realms/root/realms/alpha"
)

// claim changes one claim, or removes it.
func claim(name string, value any) func(*turn) {
	return func(u *turn) {
		u.claims[name] = value
		if value == nil {
			delete(u.claims, name)
		}
	}
}

// returned changes one parameter of the response, or removes it.
func returned(name, value string) func(*turn) {
	return func(u *turn) {
		u.callback.Set(name, value)
		if value == "" {
			u.callback.Del(name)
		}
	}
}

// answered changes one member of the token response.
func answered(name string, value any) func(*turn) {
	return func(u *turn) { u.token[name] = value }
}

// published changes one member of the metadata.
func published(name string, value any) func(*turn) {
	return func(u *turn) { u.metadata[name] = value }
}

// unsigned and bySecret are the algorithms "none" and HMAC, which PingFederate's metadata lists.
func unsigned(u *turn) {
	u.idToken = func() string { return optest.B64([]byte(`{"alg":"none"}`)) + "." + payload(u) + "." }
}

func bySecret(u *turn) {
	u.idToken = func() string {
		return optest.Key{ID: "x", Alg: "HS256", Secret: []byte("canary-secret")}.Sign(u.claims, nil)
	}
}

func payload(u *turn) string { return strings.Split(u.key.Sign(u.claims, nil), ".")[1] }

// rpKey is the client's key.
var rpKey = optest.NewKey("rp", "RS256")

// postedTo checks that only one of the endpoints was used.
func postedTo(u string) func(*testing.T, *wire, *client.Tokens) {
	return func(t *testing.T, w *wire, _ *client.Tokens) {
		if w.posted[u] == nil || len(w.posted) != 1 {
			t.Errorf("posted to %v", w.posted)
		}
	}
}

func servers() []deployed {
	return []deployed{
		{
			name: "PingFederate", preset: client.PingFederate("https://sso.example:9031"), issuer: "https://sso.example:9031",
			metadata: m{
				"ping_end_session_endpoint": "https://sso.example:9031/idp/startSLO.ping", "code_challenge_methods_supported": []string{"plain", "S256"},
				"token_endpoint_auth_methods_supported": []string{"client_secret_basic", "client_secret_post", "private_key_jwt"},
			},
			token: m{"expires_in": 7199, "refresh_token": "rt"}, claims: m{"pi.sri": "session", "jti": "x"},
			refused: map[string]func(*turn){
				"the issuer without its port": claim("iss", "https://sso.example"), "metadata without the port": published("issuer", "https://sso.example"),
				"an ID token that is not signed": unsigned, "one signed with the secret": bySecret, "iss of another server": returned("iss", "https://sso.example"),
				"plain PKCE alone": published("code_challenge_methods_supported", []string{"plain"}),
			},
		},
		{
			name: "PingFederate that pushes", preset: client.PingFederate("https://sso.example"), issuer: "https://sso.example",
			metadata: m{"pushed_authorization_request_endpoint": "https://sso.example/as/par.oauth2", "require_pushed_authorization_requests": true},
			front:    [2]string{"urn:ietf:params:oauth:request_uri:2uB", "client_id request_uri"},
			refused:  map[string]func(*turn){"no place to push to": published("pushed_authorization_request_endpoint", nil)},
		},
		{
			name: "PingOne", preset: client.PingOne("auth.pingone.eu", "env"), issuer: "https://auth.pingone.eu/env/as",
			metadata: m{"pushed_authorization_request_endpoint": "https://auth.pingone.eu/env/as/par"},
			front:    [2]string{"urn:ietf:params:oauth:request_uri:1", "client_id request_uri"},
			claims:   m{"env": "env", "org": "org", "acr": "Single_Factor", "sid": "s"},
			refused: map[string]func(*turn){
				"the host alone": claim("iss", "https://auth.pingone.com"), "the second server of the environment": claim("iss", "https://auth.pingone.eu/env/davinci"),
			},
		},
		{
			name: "PingOne Advanced Identity Cloud", preset: client.PingOneAdvancedIdentityCloud("t.forgeblocks.com", "alpha"), issuer: aicRealm,
			at:        "https://t.forgeblocks.com/am/oauth2/realms/root/realms/alpha/.well-known/openid-configuration",
			endpoints: "https://t.forgeblocks.com/am/oauth2/realms/root/realms/alpha",
			metadata:  m{"pushed_authorization_request_endpoint": "https://t.forgeblocks.com/am/oauth2/realms/root/realms/alpha/par", "version": "3.0", "rcs_request_signing_alg_values_supported": []string{"PS256"}},
			front:     [2]string{"C2c3yhu2IApAELttmZtfPNPQaIJxvTCHk", "client_id request_uri response_type scope redirect_uri"},
			callback:  url.Values{"iss": {aicRealm}, "client_id": {optest.ClientID}, "scope": {"openid"}},
			token:     m{"refresh_token": "rt", "scope": "openid", "expires_in": 3599},
			claims: m{
				"c_hash": optest.LeftHalf("RS256", "c"), "azp": optest.ClientID, "auth:time": 1, "realm": "/alpha", "tokenName": "id_token", "sid": "s",
				"org.forgerock.openidconnect.ops": "x", "auditTrackingId": "y",
			},
			refused: map[string]func(*turn){
				"the issuer without its port":       claim("iss", strings.Replace(aicRealm, ":443", "", 1)),
				"the realm in another form":         claim("iss", "https://t.forgeblocks.com:443/am/oauth2/alpha"),
				"iss without its port":              returned("iss", strings.Replace(aicRealm, ":443", "", 1)),
				"metadata without the port":         published("issuer", strings.Replace(aicRealm, ":443", "", 1)),
				"c_hash of another code":            claim("c_hash", optest.LeftHalf("RS256", "x")),
				"at_hash of another token":          claim("at_hash", optest.LeftHalf("RS256", "x")),
				"azp of another client":             claim("azp", "other"),
				"an access token for the ID token":  claim("aud", "other"),
				"a realm that the name begins with": claim("iss", aicRealm+"2"),
			},
		},
		{
			name: "Cloudentity", preset: client.Cloudentity("t", "eu", "w"), issuer: "https://t.eu.authz.cloudentity.io/t/w",
			metadata: m{"mtls_issuer": "https://t.mtls.eu.authz.cloudentity.io/t/w", "mtls_endpoint_aliases": m{"token_endpoint": "https://t.mtls.eu.authz.cloudentity.io/t/w/oauth2/token"}},
			token:    m{"token_type": "bearer", "expires_in": "3600", "scope": "openid"}, claims: m{"aud": []string{optest.ClientID}},
			check: postedTo("https://t.eu.authz.cloudentity.io/t/w/token"),
			refused: map[string]func(*turn){
				"the issuer of the other host": claim("iss", "https://t.mtls.eu.authz.cloudentity.io/t/w"), "another workspace": claim("iss", "https://t.eu.authz.cloudentity.io/t/x"),
				"a type that is no bearer": answered("token_type", "mac"), "a lifetime that is no number": answered("expires_in", "an hour"),
			},
		},
		{
			name: "Cloudentity, with a certificate", preset: client.Cloudentity("t", "eu", "w"), issuer: "https://t.eu.authz.cloudentity.io/t/w", auth: auth.TLS(),
			metadata: m{"mtls_issuer": "https://t.mtls.eu.authz.cloudentity.io/t/w", "mtls_endpoint_aliases": m{"token_endpoint": "https://t.mtls.eu.authz.cloudentity.io/t/w/oauth2/token"}},
			check:    postedTo("https://t.mtls.eu.authz.cloudentity.io/t/w/oauth2/token"),
			refused:  map[string]func(*turn){"the issuer of the other host": claim("iss", "https://t.mtls.eu.authz.cloudentity.io/t/w")},
		},
		{
			name: "Keycloak", preset: client.Keycloak("https://sso.example/", "main"), issuer: "https://sso.example/realms/main",
			endpoints: "https://sso.example/realms/main/protocol/openid-connect",
			metadata: m{
				"authorization_response_iss_parameter_supported": true, "pushed_authorization_request_endpoint": "https://sso.example/realms/main/protocol/openid-connect/ext/par/request",
				"mtls_endpoint_aliases": m{"token_endpoint": "https://sso.example/realms/main/protocol/openid-connect/token"}, "tls_client_certificate_bound_access_tokens": true,
			},
			front:    [2]string{"urn:ietf:params:oauth:request_uri:3d4a", "client_id request_uri"},
			callback: url.Values{"iss": {"https://sso.example/realms/main"}, "session_state": {"s"}},
			token:    m{"refresh_expires_in": 1800, "refresh_token": "rt", "not-before-policy": 0, "session_state": "s", "scope": "openid profile"},
			claims:   m{"typ": "ID", "azp": optest.ClientID, "sid": "s", "acr": "1", "auth_time": 1},
			refused: map[string]func(*turn){
				"no iss, which is announced": returned("iss", ""), "the base path of old": claim("iss", "https://sso.example/auth/realms/main"),
				"an access token for the ID token": claim("aud", "account"), "the inside address": claim("iss", "http://keycloak:8080/realms/main"),
			},
		},
		{
			name: "Entra", preset: client.Entra(tenant), issuer: "https://login.microsoftonline.com/" + tenant + "/v2.0",
			jwk: m{"alg": nil, "issuer": "https://login.microsoftonline.com/" + tenant + "/v2.0", "x5t": "x"}, endpoints: "https://login.microsoftonline.com/" + tenant + "/oauth2/v2.0",
			auth:     auth.PrivateKeyJWT(auth.SigningKey{Alg: "PS256", Key: optest.NewKey("rp", "PS256").Private}, auth.EntraAssertion(tenant, &x509.Certificate{Raw: []byte("x")})),
			callback: url.Values{"session_state": {"s"}, "client_info": {"x"}}, token: m{"expires_in": "3599", "ext_expires_in": 3599, "scope": "openid profile email"},
			claims: m{"tid": tenant, "ver": "2.0", "oid": "o", "rh": "r", "uti": "u"},
			check: func(t *testing.T, w *wire, tokens *client.Tokens) {
				form := w.posted["https://login.microsoftonline.com/"+tenant+"/oauth2/v2.0/token"]
				if tokens.ExpiresIn != 3599 || form.Get("client_assertion") == "" || form.Has("client_secret") {
					t.Errorf("%v, posted %v", tokens, form)
				}
			},
			refused: map[string]func(*turn){
				"a token of version 1": claim("iss", "https://sts.windows.net/"+tenant+"/"), "another tenant": claim("iss", "https://login.microsoftonline.com/"+otherTenant+"/v2.0"),
				"the metadata of all tenants": published("issuer", "https://login.microsoftonline.com/{tenantid}/v2.0"),
			},
		},
		{
			name: "Entra, several tenants", preset: client.EntraTenants(tenant), issuer: "https://login.microsoftonline.com/{tenantid}/v2.0",
			at: "https://login.microsoftonline.com/organizations/v2.0/.well-known/openid-configuration", endpoints: "https://login.microsoftonline.com/organizations/oauth2/v2.0",
			jwk:    m{"alg": nil, "issuer": "https://login.microsoftonline.com/{tenantid}/v2.0"},
			claims: m{"iss": "https://login.microsoftonline.com/" + tenant + "/v2.0", "tid": tenant, "ver": "2.0"},
			refused: map[string]func(*turn){
				"the template": claim("iss", "https://login.microsoftonline.com/{tenantid}/v2.0"), "no tenant": claim("tid", nil), "another tenant's name": claim("tid", otherTenant),
				"a tenant that is not listed": func(u *turn) {
					u.claims["tid"], u.claims["iss"] = otherTenant, "https://login.microsoftonline.com/"+otherTenant+"/v2.0"
				},
				"another tenant's key": func(u *turn) { u.jwk["issuer"] = "https://login.microsoftonline.com/" + otherTenant + "/v2.0" },
				"a key of nobody":      func(u *turn) { u.jwk["issuer"] = nil },
			},
		},
		{
			name: "Google", preset: client.Google(), issuer: "https://accounts.google.com", endpoints: "https://oauth2.googleapis.com",
			callback: url.Values{"scope": {"email openid https://www.googleapis.com/auth/userinfo.email"}, "authuser": {"0"}, "prompt": {"none"}, "hd": {"example.com"}},
			token:    m{"expires_in": 3599, "scope": "openid https://www.googleapis.com/auth/userinfo.email"}, claims: m{"azp": optest.ClientID, "email_verified": true, "hd": "example.com"},
			refused: map[string]func(*turn){
				"a slash": claim("iss", "https://accounts.google.com/"), "plain http": claim("iss", "http://accounts.google.com"), "the app of a pair": claim("azp", "the app"),
				"metadata under the other name": published("issuer", "accounts.google.com"),
			},
		},
		{
			name: "Google, the issuer without its scheme", preset: client.Google(), issuer: "https://accounts.google.com", claims: m{"iss": "accounts.google.com"},
			refused: map[string]func(*turn){"iss in the response, which is the other": returned("iss", "accounts.google.com")},
		},
		{
			name: "Okta", preset: client.Okta("x.okta.com", "default"), issuer: "https://x.okta.com/oauth2/default", endpoints: "https://x.okta.com/oauth2/default/v1",
			token: m{"scope": "openid"}, claims: m{"ver": 1, "amr": []string{"pwd"}, "idp": "00o", "auth_time": 1, "jti": "ID.x"},
			refused: map[string]func(*turn){
				"the organization's own server": claim("iss", "https://x.okta.com"), "a DPoP token that nobody asked for": answered("token_type", "DPoP"),
			},
		},
		{
			name: "Okta, the organization's own server", preset: client.Okta("x.okta.com", ""), issuer: "https://x.okta.com", endpoints: "https://x.okta.com/oauth2/v1",
			refused: map[string]func(*turn){"a custom server": claim("iss", "https://x.okta.com/oauth2/default")},
		},
		{
			name: "Auth0", preset: client.Auth0("x.eu.auth0.com"), issuer: "https://x.eu.auth0.com/",
			auth:  auth.PrivateKeyJWT(auth.SigningKey{Alg: "RS256", Key: rpKey.Private}, auth.Assertion{}),
			token: m{"access_token": "at", "expires_in": 86400, "scope": "openid"}, claims: m{"sid": "s"},
			check: func(t *testing.T, w *wire, _ *client.Tokens) {
				if aud := objectClaims(t, rpKey, w.posted["https://x.eu.auth0.com/token"].Get("client_assertion")).Get("aud"); aud != "https://x.eu.auth0.com/" {
					t.Errorf("aud is %s", aud)
				}
			},
			refused: map[string]func(*turn){
				"the issuer without its slash": claim("iss", "https://x.eu.auth0.com"), "metadata without the slash": published("issuer", "https://x.eu.auth0.com"),
				"an ID token signed with the secret": bySecret,
			},
		},
		{
			name: "Cognito", preset: client.Cognito("eu-west-1", "eu-west-1_AbC"), issuer: "https://cognito-idp.eu-west-1.amazonaws.com/eu-west-1_AbC",
			endpoints: "https://x.auth.eu-west-1.amazoncognito.com/oauth2", claims: m{"token_use": "id", "cognito:username": "alice", "email_verified": "true", "origin_jti": "x"},
			check: func(t *testing.T, _ *wire, tokens *client.Tokens) {
				var claims struct {
					EmailVerified idtoken.BooleanClaim `json:"email_verified"`
				}
				if err := tokens.IDToken.Claims(&claims); err != nil || !claims.EmailVerified {
					t.Errorf("%v, %v", claims, err)
				}
			},
			refused: map[string]func(*turn){
				"an access token for the ID token": func(u *turn) {
					delete(u.claims, "aud")
					u.claims["client_id"], u.claims["token_use"] = optest.ClientID, "access"
				},
				"another pool": claim("iss", "https://cognito-idp.eu-west-1.amazonaws.com/eu-west-1_abc"), "the host of the endpoints": claim("iss", "https://x.auth.eu-west-1.amazoncognito.com"),
			},
		},
		{
			name: "Apple", preset: client.Apple(), issuer: "https://appleid.apple.com", auth: auth.AppleSecret("team", auth.SigningKey{KeyID: "kid", Key: optest.NewKey("kid", "ES256").Private}),
			callback: url.Values{"user": {`{"name":{"firstName":"Alice"},"email":"alice@example.com"}`}}, claims: m{"nonce_supported": true, "email_verified": "true", "is_private_email": true},
			check: func(t *testing.T, w *wire, _ *client.Tokens) {
				form := w.posted["https://appleid.apple.com/token"]
				if parts := strings.Split(form.Get("client_secret"), "."); len(parts) != 3 || form.Has("client_assertion") || w.basic != "" {
					t.Errorf("posted %v", form)
				}
			},
			refused: map[string]func(*turn){
				"an ID token in the form, which was not asked for": returned("id_token", "x.y.z"), "a server of another name": claim("iss", "https://account.apple.com"),
				"another app's": claim("aud", "com.example.other"), "no nonce": claim("nonce", nil),
			},
		},
		{
			name: "Zitadel, which has no preset", preset: client.Config{Issuer: "https://x.zitadel.cloud"}, issuer: "https://x.zitadel.cloud",
			claims: m{"aud": []string{optest.ClientID, "project"}, "azp": optest.ClientID}, edit: func(c *client.Config) { c.TrustedAudiences = []string{"project"} },
			refused: map[string]func(*turn){
				"an audience that is not listed": claim("aud", []string{optest.ClientID, "project", "other"}), "no azp": claim("azp", nil), "the project alone": claim("aud", []string{"project"}),
			},
		},
	}
}

// TestOktaDPoP: the server rejects the first request always, and sends its nonce. DPOP-02.
func TestOktaDPoP(t *testing.T) {
	d := deployed{
		name: "Okta", preset: client.Okta("x.okta.com", "default"), issuer: "https://x.okta.com/oauth2/default", token: m{"token_type": "DPoP"},
		front: [2]string{"urn:ietf:params:oauth:request_uri:1", "client_id request_uri"}, metadata: m{"pushed_authorization_request_endpoint": "https://x.okta.com/oauth2/default/v1/par"},
		edit: func(c *client.Config) { c.DPoP = &client.DPoP{} },
	}
	var nonces []any
	demand := func(u *turn) {
		u.serve = func(token m) http.HandlerFunc {
			return func(w http.ResponseWriter, r *http.Request) {
				_, claims := proof(t, r.Header)
				nonces = append(nonces, claims["nonce"])
				if w.Header().Set("dpop-nonce", "Okta"); claims["nonce"] == nil {
					optest.JSON(w, 400, m{"error": "use_dpop_nonce", "error_description": "Authorization server requires nonce in DPoP proof."})
					return
				}
				optest.JSON(w, 200, token)
			}
		}
	}
	tokens, w, err := d.signIn(t, demand)
	if err != nil || tokens.TokenType != "DPoP" || len(nonces) != 2 || nonces[0] != nil || nonces[1] != "Okta" {
		t.Errorf("%v, %v, nonces %v", tokens, err, nonces)
	}
	if jkt := w.posted["https://x.okta.com/oauth2/default/v1/par"].Get("dpop_jkt"); len(jkt) != 43 {
		t.Errorf("dpop_jkt is %q", jkt)
	}
	if _, _, err := d.signIn(t, func(u *turn) { demand(u); u.token["token_type"] = "Bearer" }); err == nil {
		t.Error("a bearer token was taken for a bound one")
	}
}

// TestEveryAlias: with a certificate every request of the client is sent to the alias of its
// endpoint. MTLS-01.
func TestEveryAlias(t *testing.T) {
	const plain, alias = "https://as.example", "https://mtls.as.example"
	aliases := m{}
	for _, name := range []string{"token_endpoint", "pushed_authorization_request_endpoint", "userinfo_endpoint", "revocation_endpoint", "introspection_endpoint", "device_authorization_endpoint", "backchannel_authentication_endpoint"} {
		aliases[name] = alias + "/" + name
	}
	key := optest.NewKey("k", "RS256")
	w := newWire(t, map[string]any{
		plain + "/jwks": m{"keys": []any{key.JWK()}},
		alias + "/pushed_authorization_request_endpoint": pushed201{"urn:x", 60},
		alias + "/userinfo_endpoint":                     m{"sub": "alice"}, alias + "/revocation_endpoint": m{}, alias + "/introspection_endpoint": m{"active": false},
	})
	metadata := m{"issuer": plain, "authorization_endpoint": plain + "/authorize", "jwks_uri": plain + "/jwks", "mtls_endpoint_aliases": aliases}
	for name := range aliases {
		metadata[name] = plain + "/" + name // where no server listens
	}
	w.answers[plain+"/.well-known/openid-configuration"] = metadata
	c := newClient(t, client.Config{Issuer: plain, ClientID: "rp", Auth: auth.TLS(), RedirectURL: "https://rp.example/cb", HTTP: &http.Client{Transport: w}})
	_, pending, err := c.Begin(t.Context(), client.Request{})
	if err != nil {
		t.Fatal(err)
	}
	now := pending.CreatedAt.Unix()
	w.answers[alias+"/token_endpoint"] = m{
		"access_token": "a", "token_type": "Bearer", "refresh_token": "r",
		"id_token": key.Sign(m{"iss": plain, "sub": "alice", "aud": "rp", "iat": now, "exp": now + 300, "nonce": pending.Nonce}, nil),
	}
	tokens, err := c.Finish(t.Context(), pending, values("code", "c", "state", pending.State))
	if err != nil {
		t.Fatal(err)
	}
	_, infoErr := c.UserInfo(t.Context(), tokens)
	_, refreshErr := c.Refresh(t.Context(), tokens)
	_, answerErr := c.Introspect(t.Context(), "a", "")
	if err := errors.Join(infoErr, refreshErr, answerErr, c.Revoke(t.Context(), "r", "")); err != nil {
		t.Error(err)
	}
}
