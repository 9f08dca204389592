package rs_test

import (
	"maps"
	"testing"
	"time"

	"github.com/countersign/countersign/internal/optest"
	"github.com/countersign/countersign/rs"
)

// TestPresets: each preset accepts an access token of its server. It rejects the server's ID
// token, even for a client with the API's name.
func TestPresets(t *testing.T) {
	k := optest.NewKey("k1", "RS256")
	now := time.Now().Unix()
	const (
		tenant = "9a0b3f2c-6d34-4d0e-8f5c-2f1f5f3c7a10"
		app    = "5f1d5c3e-0000-4000-8000-0123456789ab"
	)
	forClients := rs.Cognito("eu-west-1", "eu-west-1_AbC")
	forClients.AudienceClients = []string{app}
	with := func(j *rs.JWT) *rs.JWT { j.Audience = "photos"; return j }
	for _, test := range []struct {
		name           string
		jwt            *rs.JWT
		header, claims m // of the access token
		client         string
		scopes         int
		id             m // of the ID token
	}{
		{"Keycloak", with(rs.Keycloak("https://sso.example/", "main")), m{"typ": "JWT"},
			m{"iss": "https://sso.example/realms/main", "typ": "Bearer", "azp": "web", "sid": "s", "aud": []string{"photos", "account"}, "scope": "openid photos.read", "acr": "1", "auth_time": now, "email": "a@example.com", "realm_access": m{"roles": []string{"user"}}}, "web", 2,
			m{"typ": "ID", "azp": "photos", "sid": "s"}},
		{"Keycloak, RFC 9068", with(rs.Keycloak("https://sso.example", "main")), m{"typ": "at+jwt"},
			m{"iss": "https://sso.example/realms/main", "typ": "Bearer", "azp": "web", "client_id": "web", "aud": "photos", "jti": "1", "scope": "photos.read"}, "web", 1,
			m{"typ": "ID", "azp": "photos"}},
		{"Keycloak, a service account", with(rs.Keycloak("https://sso.example", "main")), m{"typ": "JWT"},
			m{"iss": "https://sso.example/realms/main", "typ": "Bearer", "azp": "job", "aud": "photos", "scope": ""}, "job", 0,
			m{"typ": "ID", "azp": "photos"}},
		{"Entra", with(rs.Entra(tenant)), m{"typ": "JWT"},
			m{"iss": "https://login.microsoftonline.com/" + tenant + "/v2.0", "aud": "photos", "azp": app, "azpacr": "1", "scp": "Photos.Read openid", "oid": "o", "tid": tenant, "ver": "2.0", "nbf": now, "uti": "u", "rh": "r", "sid": "s"}, app, 2,
			m{"tid": tenant, "ver": "2.0", "oid": "o"}},
		{"Entra, an application", with(rs.Entra(tenant)), m{"typ": "JWT"},
			m{"iss": "https://login.microsoftonline.com/" + tenant + "/v2.0", "aud": "photos", "azp": app, "roles": []string{"Photos.All"}, "oid": "o", "tid": tenant, "ver": "2.0"}, app, 0,
			m{"tid": tenant, "ver": "2.0", "sid": "s"}},
		{"Entra v1", with(rs.EntraV1(tenant)), m{"typ": "JWT"},
			m{"iss": "https://sts.windows.net/" + tenant + "/", "aud": "photos", "appid": app, "appidacr": "1", "scp": "Photos.Read", "amr": []string{"pwd"}, "tid": tenant, "ver": "1.0"}, app, 1,
			m{"tid": tenant, "ver": "1.0", "amr": []string{"pwd"}}},
		{"Entra, several tenants", with(rs.EntraTenants("x", tenant)), m{"typ": "JWT"},
			m{"iss": "https://login.microsoftonline.com/" + tenant + "/v2.0", "aud": "photos", "azp": app, "scp": "Photos.Read", "tid": tenant, "ver": "2.0"}, app, 1,
			m{"tid": tenant, "ver": "2.0"}},
		{"Okta", with(rs.Okta("example.okta.com", "default")), m{"typ": nil},
			m{"iss": "https://example.okta.com/oauth2/default", "aud": "photos", "cid": "0oa1", "uid": "00u1", "scp": []string{"openid", "photos.read"}, "ver": 1, "jti": "AT.1", "auth_time": now}, "0oa1", 2,
			m{"ver": 1, "jti": "ID.1", "idp": "i", "auth_time": now, "at_hash": "x"}},
		{"Auth0", with(rs.Auth0("example.eu.auth0.com")), m{"typ": "JWT"},
			m{"iss": "https://example.eu.auth0.com/", "aud": []string{"photos", "https://example.eu.auth0.com/userinfo"}, "azp": "web", "scope": "openid photos.read", "permissions": []string{"read"}}, "web", 2,
			m{"sid": "s", "nonce": "n"}},
		{"Auth0, RFC 9068", with(rs.Auth0("example.eu.auth0.com")), m{"typ": "at+jwt"},
			m{"iss": "https://example.eu.auth0.com/", "aud": "photos", "client_id": "web", "jti": "1", "scope": "photos.read"}, "web", 1,
			m{"sid": "s"}},
		{"Cognito", forClients, m{"typ": nil},
			m{"iss": "https://cognito-idp.eu-west-1.amazonaws.com/eu-west-1_AbC", "token_use": "access", "client_id": app, "scope": "photos.read", "origin_jti": "o", "event_id": "e", "version": 2, "auth_time": now, "username": "alice", "cognito:groups": []string{"g"}}, app, 1,
			m{"token_use": "id", "aud": app, "auth_time": now, "cognito:username": "alice"}},
		{"PingFederate", with(rs.PingFederate("https://sso.example:9031")), m{"typ": nil},
			m{"iss": "https://sso.example:9031", "aud": "photos", "client_id": "web", "scope": "openid photos.read", "iat": nil}, "web", 2,
			m{"pi.sri": "s", "auth_time": now, "acr": "1"}},
		{"PingFederate, scopes as a list", with(rs.PingFederate("https://sso.example:9031")), m{"typ": "at+jwt"},
			m{"iss": "https://sso.example:9031", "aud": "photos", "client_id": "web", "scope": []string{"openid", "photos.read"}, "jti": "1"}, "web", 2,
			m{"auth_time": now, "nonce": "n"}},
		{"PingOne", with(rs.PingOne("auth.pingone.eu", "env")), m{"typ": nil},
			m{"iss": "https://auth.pingone.eu/env/as", "aud": []string{"photos"}, "client_id": "web", "env": "env", "org": "o", "scope": "photos.read", "sid": "s", "jti": "1"}, "web", 1,
			m{"sid": "s", "auth_time": now, "acr": "a", "amr": []string{"pwd"}, "env": "env", "org": "o"}},
		{"PingOne, from 2027", with(rs.PingOne("auth.pingone.eu", "env")), m{"typ": "at+jwt"},
			m{"iss": "https://auth.pingone.eu/env/as", "aud": []string{"photos"}, "client_id": "web", "scope": "photos.read", "jti": "1"}, "web", 1,
			m{"sid": "s"}},
		{"PingOne Advanced Identity Cloud", with(rs.PingOneAdvancedIdentityCloud("t.forgeblocks.com", "alpha")), m{"typ": "JWT"},
			m{"iss": "https://t.forgeblocks.com:443/am/oauth2/realms/root/realms/alpha", "cts": "OAUTH2_STATELESS_GRANT", "auth_level": 0, "auditTrackingId": "x", "subname": "alice", "tokenName": "access_token", "token_type": "Bearer", "authGrantId": "g", "client_id": "photos", "aud": "photos", "nbf": now, "grant_type": "authorization_code", "scope": []string{"openid", "photos.read"}, "auth_time": now, "realm": "/alpha", "expires_in": 3600, "jti": "1"}, "photos", 2,
			m{"tokenName": "id_token", "azp": "photos", "realm": "/alpha", "sid": "s", "auditTrackingId": "x", "c_hash": "x"}},
		{"PingOne Advanced Identity Cloud, at+jwt", with(rs.PingOneAdvancedIdentityCloud("t.forgeblocks.com", "alpha")), m{"typ": "at+jwt"},
			m{"iss": "https://t.forgeblocks.com:443/am/oauth2/realms/root/realms/alpha", "tokenName": "access_token", "client_id": "web", "azp": "web", "aud": []string{"photos", "web"}, "scope": []string{"photos.read"}, "jti": "1"}, "web", 1,
			m{"tokenName": "id_token", "azp": "photos"}},
		{"Cloudentity", with(rs.Cloudentity("acme", "eu", "demo")), m{"typ": nil},
			m{"iss": "https://acme.eu.authz.cloudentity.io/acme/demo", "aid": "demo", "aud": []string{"web", "photos"}, "amr": []string{}, "idp": "i", "nbf": now, "scp": []string{"photos.read"}, "st": "public", "tid": "acme", "jti": "1"}, "", 1,
			m{"aid": "demo", "idp": "i", "tid": "acme", "amr": []string{}}},
	} {
		t.Run(test.name, func(t *testing.T) {
			claims := m{"sub": "alice", "iat": now, "exp": now + 300}
			maps.Copy(claims, test.claims)
			if claims["iat"] == nil {
				delete(claims, "iat")
			}
			test.jwt.Keys = static(t, k, m{"issuer": claims["iss"]})
			p, err := test.jwt.VerifyToken(t.Context(), k.Sign(claims, test.header))
			if err != nil || p.Subject != "alice" || p.ClientID != test.client || len(p.Scopes) != test.scopes {
				t.Errorf("%+v, %v", p, err)
			}
			id := m{"iss": claims["iss"], "sub": "alice", "aud": "photos", "iat": now, "exp": now + 300}
			maps.Copy(id, test.id)
			for _, typ := range []any{nil, "JWT"} {
				if p, err := test.jwt.VerifyToken(t.Context(), k.Sign(id, m{"typ": typ})); err == nil {
					t.Errorf("an ID token with typ %v: %+v", typ, p)
				}
			}
			claims["aud"] = "other"
			if _, err := test.jwt.VerifyToken(t.Context(), k.Sign(claims, test.header)); err == nil {
				t.Error("a token for another API")
			}
		})
	}
}

// TestIDTokenPresets: servers whose ID tokens, or similar tokens, are sent to APIs.
func TestIDTokenPresets(t *testing.T) {
	rsa, ec := optest.NewKey("k1", "RS256"), optest.NewKey("k2", "ES256")
	now := time.Now().Unix()
	for _, test := range []struct {
		name     string
		v        *rs.IDToken
		key      optest.Key
		header   m
		good     m
		bad      m // these values are rejected
		wantUser string
	}{
		{"gcloud", rs.Google("32555940559.apps.googleusercontent.com"), rsa, m{"typ": "JWT"},
			m{"iss": "https://accounts.google.com", "azp": "32555940559.apps.googleusercontent.com", "aud": "32555940559.apps.googleusercontent.com", "sub": "1102", "hd": "example.com", "email": "a@example.com", "email_verified": true, "at_hash": "x"},
			m{"aud": "other.apps.googleusercontent.com"}, "1102"},
		{"Google, the other issuer", rs.Google("web.apps.googleusercontent.com"), rsa, m{"typ": "JWT"},
			m{"iss": "accounts.google.com", "aud": "web.apps.googleusercontent.com", "azp": "web.apps.googleusercontent.com", "sub": "1102"},
			m{"azp": "107517467455664443765"}, "1102"},
		{"Google IAP", rs.GoogleIAP("/projects/1/global/backendServices/2"), ec, m{"typ": "JWT"},
			m{"iss": "https://cloud.google.com/iap", "aud": "/projects/1/global/backendServices/2", "sub": "accounts.google.com:1102", "email": "a@example.com", "hd": "example.com"},
			m{"aud": "/projects/1/global/backendServices/3"}, "accounts.google.com:1102"},
		{"Cloudflare Access", rs.CloudflareAccess("example.cloudflareaccess.com", "4714c1358e65fe4b408ad6d432a5f878"), rsa, m{"typ": nil},
			m{"iss": "https://example.cloudflareaccess.com", "aud": []string{"4714c1358e65fe4b408ad6d432a5f878"}, "sub": "7335d417", "type": "app", "identity_nonce": "x", "country": "DE", "email": "a@example.com", "nbf": now},
			m{"iss": "https://evil.cloudflareaccess.com"}, "7335d417"},
		{"Kubernetes", rs.Kubernetes("https://kubernetes.default.svc.cluster.local", "photos"), rsa, m{"typ": nil},
			m{"iss": "https://kubernetes.default.svc.cluster.local", "aud": []string{"photos"}, "jti": "1", "nbf": now, "sub": "system:serviceaccount:default:job", "kubernetes.io": m{"namespace": "default", "serviceaccount": m{"name": "job", "uid": "u"}}},
			m{"aud": []string{"https://kubernetes.default.svc.cluster.local"}}, "system:serviceaccount:default:job"},
		{"GitHub Actions", rs.GitHubActions("octo-org", "photos"), rsa, m{"typ": "JWT"},
			m{"iss": "https://token.actions.githubusercontent.com", "aud": "photos", "jti": "1", "nbf": now - 300, "sub": "repo:octo-org/octo-repo:ref:refs/heads/main", "repository": "octo-org/octo-repo", "repository_owner": "octo-org", "ref": "refs/heads/main", "run_id": "1"},
			m{"repository_owner": "evil", "sub": "repo:evil/x:ref:refs/heads/main"}, "repo:octo-org/octo-repo:ref:refs/heads/main"},
	} {
		t.Run(test.name, func(t *testing.T) {
			test.v.Keys = static(t, test.key, nil)
			claims := m{"iat": now, "exp": now + 300}
			maps.Copy(claims, test.good)
			p, err := test.v.VerifyToken(t.Context(), test.key.Sign(claims, test.header))
			if err != nil || p.Subject != test.wantUser || len(p.Scopes) != 0 {
				t.Errorf("%+v, %v", p, err)
			}
			maps.Copy(claims, test.bad)
			if p, err := test.v.VerifyToken(t.Context(), test.key.Sign(claims, test.header)); err == nil {
				t.Errorf("accepted %+v", p)
			}
		})
	}
}

// TestPresetsNeedAudience: a preset without Audience accepts no token, and Ready reports the
// missing setting.
func TestPresetsNeedAudience(t *testing.T) {
	for _, j := range []*rs.JWT{
		rs.Keycloak("https://sso.example", "main"), rs.Entra("t"), rs.EntraV1("t"), rs.EntraTenants("t"), rs.Okta("o.example", "default"), rs.Auth0("a.example"),
		rs.Cognito("r", "p"), rs.PingFederate("https://p.example"), rs.PingOne("p.example", "e"), rs.PingOneAdvancedIdentityCloud("p.example", "alpha"), rs.Cloudentity("t", "r", "w"),
	} {
		if err := j.Ready(t.Context()); err == nil {
			t.Errorf("%s: ready", j.Issuer)
		}
	}
}
