package client_test

import (
	"crypto/x509"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/countersign/countersign/client"
	"github.com/countersign/countersign/internal/jose"
	"github.com/countersign/countersign/internal/optest"
)

// presetCase is a preset, and the server as its own documents have it.
type presetCase struct {
	name, issuer, discovery string
	preset                  client.Config
}

// TestPresets: each finds its server's metadata where that is, under the issuer that the
// server writes, and signs a user in.
func TestPresets(t *testing.T) {
	const tenant = "11111111-2222-3333-4444-555555555555"
	const wellKnown = "/.well-known/openid-configuration"
	for _, c := range []presetCase{
		{"PingFederate", "https://sso.example:9031", "https://sso.example:9031" + wellKnown, client.PingFederate("https://sso.example:9031")},
		{"PingOne", "https://auth.pingone.eu/env/as", "https://auth.pingone.eu/env/as" + wellKnown, client.PingOne("auth.pingone.eu", "env")},
		{"PingOne Advanced Identity Cloud", "https://t.forgeblocks.com:443/am/oauth2/realms/root/realms/alpha", "https://t.forgeblocks.com/am/oauth2/realms/root/realms/alpha" + wellKnown, client.PingOneAdvancedIdentityCloud("t.forgeblocks.com", "alpha")},
		{"Cloudentity", "https://t.eu.authz.cloudentity.io/t/w", "https://t.eu.authz.cloudentity.io/t/w" + wellKnown, client.Cloudentity("t", "eu", "w")},
		{"Keycloak", "https://sso.example/realms/main", "https://sso.example/realms/main" + wellKnown, client.Keycloak("https://sso.example/", "main")},
		{"Entra", "https://login.microsoftonline.com/" + tenant + "/v2.0", "https://login.microsoftonline.com/" + tenant + "/v2.0" + wellKnown, client.Entra(tenant)},
		{"Google", "https://accounts.google.com", "https://accounts.google.com" + wellKnown, client.Google()},
		{"Okta", "https://x.okta.com/oauth2/default", "https://x.okta.com/oauth2/default" + wellKnown, client.Okta("x.okta.com", "default")},
		{"Okta's own", "https://x.okta.com", "https://x.okta.com" + wellKnown, client.Okta("x.okta.com", "")},
		{"Auth0", "https://x.eu.auth0.com/", "https://x.eu.auth0.com" + wellKnown, client.Auth0("x.eu.auth0.com")},
		{"Cognito", "https://cognito-idp.eu-west-1.amazonaws.com/pool", "https://cognito-idp.eu-west-1.amazonaws.com/pool" + wellKnown, client.Cognito("eu-west-1", "pool")},
		{"Apple", "https://appleid.apple.com", "https://appleid.apple.com" + wellKnown, client.Apple()},
	} {
		t.Run(c.name, func(t *testing.T) { c.signIn(t, c.issuer, nil) })
	}
	many := presetCase{"Entra tenants", "https://login.microsoftonline.com/{tenantid}/v2.0", "https://login.microsoftonline.com/organizations/v2.0" + wellKnown, client.EntraTenants(tenant)}
	t.Run(many.name, func(t *testing.T) {
		many.signIn(t, "https://login.microsoftonline.com/"+tenant+"/v2.0", m{"tid": tenant, "ver": "2.0"})
	})
	google := presetCase{"Google's other issuer", "https://accounts.google.com", "https://accounts.google.com" + wellKnown, client.Google()}
	t.Run(google.name, func(t *testing.T) { google.signIn(t, "accounts.google.com", nil) })
}

func (c presetCase) signIn(t *testing.T, iss string, more m) {
	key := optest.NewKey("k/1+=", "RS256")
	jwk := key.JWK()
	jwk["issuer"] = c.issuer
	const elsewhere = "https://endpoints.example"
	w := newWire(t, map[string]any{
		c.discovery:         m{"issuer": c.issuer, "authorization_endpoint": elsewhere + "/authorize", "token_endpoint": elsewhere + "/token", "jwks_uri": elsewhere + "/jwks", "version": "3.0"},
		elsewhere + "/jwks": m{"keys": []any{jwk}},
	})
	cfg := c.preset
	cfg.ClientID, cfg.Auth, cfg.RedirectURL, cfg.HTTP = optest.ClientID, client.SecretPost("s"), "https://rp.example/cb", &http.Client{Transport: w}
	cl := newClient(t, cfg)
	redirect, pending, err := cl.Begin(t.Context(), client.Request{})
	if err != nil {
		t.Fatal(err)
	}
	if got := query(t, redirect).Get("response_mode"); got != cfg.ResponseMode {
		t.Errorf("response_mode %q", got)
	}
	now := pending.CreatedAt.Unix()
	claims := m{"iss": iss, "sub": "alice", "aud": optest.ClientID, "iat": now, "exp": now + 300, "nonce": pending.Nonce}
	for name, value := range more {
		claims[name] = value
	}
	w.answers[elsewhere+"/token"] = m{"access_token": "a", "token_type": "Bearer", "id_token": key.Sign(claims, nil)}
	tokens, err := cl.Finish(t.Context(), pending, values("code", "c", "state", pending.State))
	if err != nil || tokens.IDToken.Issuer != iss {
		t.Errorf("%v, %v", tokens, err)
	}
}

// TestEntraAssertion and Apple's secret are what those servers document.
func TestEntraAssertion(t *testing.T) {
	k := optest.NewKey("k", "PS256")
	set, err := jose.ParseSet(optest.JWKS(k))
	if err != nil {
		t.Fatal(err)
	}
	form, _ := posted(t, client.PrivateKeyJWT(client.SigningKey{Alg: "PS256", Key: k.Private}, client.EntraAssertion("t", &x509.Certificate{Raw: []byte("x")})))
	header, claims := assertion(t, set, form)
	if header["typ"] != "JWT" || header["x5t#S256"] == nil || header["kid"] != nil || claims["aud"] != "https://login.microsoftonline.com/t/oauth2/v2.0/token" {
		t.Errorf("%v, %v", header, claims)
	}
}

func TestAppleSecret(t *testing.T) {
	k := optest.NewKey("kid", "ES256")
	form, header := posted(t, client.AppleSecret("team", client.SigningKey{KeyID: "kid", Key: k.Private}))
	claims := objectClaims(t, k, form.Get("client_secret"))
	if header != "" || len(form) != 2 || claims.Get("iss") != "team" || claims.Get("sub") != "rp:1" || claims.Get("aud") != "https://appleid.apple.com" {
		t.Errorf("%v, %v", form, claims)
	}
	cfg := client.Apple()
	cfg.ClientID, cfg.RedirectURL = "rp", "https://rp.example/cb"
	for _, a := range []client.Auth{client.AppleSecret("", client.SigningKey{Key: k.Private}), client.AppleSecret("team", client.SigningKey{})} {
		cfg.Auth = a
		if _, err := client.New(cfg); err == nil {
			t.Error("accepted without team or key")
		}
	}
}

// TestInitiated: OpenID Connect Core §4. WEB-05.
func TestInitiated(t *testing.T) {
	s := optest.New(t)
	c := newClient(t, config(s)) // its site is https://rp.example
	for _, target := range []struct{ link, want string }{
		{"", ""}, {"https://rp.example", "/"}, {"https://rp.example/photos?x=1&y=2", "/photos?x=1&y=2"}, {"https://rp.example/a%0d%0ab", "/a%0D%0Ab"},
	} {
		got, err := c.Initiated(url.Values{"iss": {s.URL}, "login_hint": {"alice"}, "target_link_uri": {target.link}})
		if err != nil || got.Target != target.want || got.Request.LoginHint != "alice" {
			t.Errorf("%s: %+v, %v", target.link, got, err)
		}
	}
	for _, link := range []string{
		"https://evil.example/", "http://rp.example/", "//evil.example", "https://rp.example@evil.example/", "https://rp.example:8443/", "https://rp.example.evil.example/",
		"https://rp.example//evil.example", "https://rp.example/\\evil.example", "javascript:alert(1)", "/relative", "https:evil.example", "https://RP.example.evil.example", "https://u@rp.example/", "\\\\evil.example",
	} {
		if got, err := c.Initiated(url.Values{"iss": {s.URL}, "target_link_uri": {link}}); err == nil && (!strings.HasPrefix(got.Target, "/") || strings.HasPrefix(got.Target, "//") || strings.HasPrefix(got.Target, "/\\")) {
			t.Errorf("%s leads to %q", link, got.Target)
		}
	}
	for name, q := range map[string]url.Values{
		"no issuer": {}, "another issuer": {"iss": {"https://evil.example"}}, "two issuers": {"iss": {s.URL, s.URL}}, "two hints": {"iss": {s.URL}, "login_hint": {"a", "b"}},
		"an endless hint": {"iss": {s.URL}, "login_hint": {strings.Repeat("x", 5000)}}, "another site": {"iss": {s.URL}, "target_link_uri": {"https://evil.example/"}},
	} {
		if got, err := c.Initiated(q); err == nil || got != nil {
			t.Errorf("%s: %+v", name, got)
		}
	}
}
