package rs_test

import (
	"strings"
	"testing"

	"github.com/countersign/countersign/internal/optest"
	"github.com/countersign/countersign/rs"
)

// TestIDTokenAdvice: the error says that the token is an ID token, before it reports typ or
// audience. It names no setting that would accept the token.
func TestIDTokenAdvice(t *testing.T) {
	s := optest.New(t)
	asID := func(more m) m {
		claims := m{"aud": "web", "azp": nil, "scope": nil, "client_id": nil, "jti": nil}
		for name, value := range more {
			claims[name] = value
		}
		return claims
	}
	const is, maybe = "this is an ID token", "this may be an ID token"
	for name, test := range map[string]struct {
		claims m
		want   string
	}{
		"nonce":             {asID(m{"nonce": "canary-n"}), is},
		"nonce and at_hash": {asID(m{"nonce": "canary-n", "at_hash": "x", "auth_time": 1}), is},
		"c_hash":            {asID(m{"c_hash": "x"}), is},
		"s_hash":            {asID(m{"s_hash": "x"}), is},
		"of a refresh":      {asID(nil), maybe},
		"azp":               {asID(m{"azp": "web"}), maybe},
		"auth_time and sid": {asID(m{"azp": "web", "auth_time": 1, "sid": "s"}), maybe},
		"email":             {asID(m{"client_id": "web", "email": "a@example.com"}), maybe},
		"token_use":         {asID(m{"token_use": "id"}), "this is not an access token"},
		"Keycloak":          {asID(m{"typ": "ID", "nonce": "canary-n"}), "this is not an access token"},
	} {
		for _, typ := range []any{"JWT", "application/jwt", nil} {
			for setting, edit := range map[string]func(*rs.JWT){
				"default": func(*rs.JWT) {},
				"claims":  func(j *rs.JWT) { j.Typ, j.Claims = "JWT", map[string]string{"typ": "Bearer"} },
				"typ":     func(j *rs.JWT) { j.Typ, j.OtherTyps = "JWT", []string{rs.NoTyp} },
			} {
				if setting == "claims" && (typ == nil || test.want == maybe) {
					continue // another check rejects it
				}
				j := jwtVerifier(s)
				edit(j)
				_, err := j.VerifyToken(t.Context(), s.AccessToken(test.claims, m{"typ": typ}))
				if err == nil || !strings.HasPrefix(err.Error(), test.want) || !strings.Contains(err.Error(), "send the access token") {
					t.Errorf("%s, typ %v, %s: %v", name, typ, setting, err)
					continue
				}
				for _, bad := range []string{"JWT.Typ", "JWT.Audience", "canary"} {
					if strings.Contains(err.Error(), bad) {
						t.Errorf("%s, typ %v, %s: %q in %v", name, typ, setting, bad, err)
					}
				}
			}
		}
	}
}

// TestTypAdvice: access tokens of servers that do not follow RFC 9068 are not called ID tokens.
// Their claims for scope and client may have any name.
func TestTypAdvice(t *testing.T) {
	s := optest.New(t)
	for name, claims := range map[string]m{
		"as RFC 9068":             {},
		"Keycloak":                {"client_id": nil, "azp": "web", "typ": "Bearer", "sid": "s", "email": "a@example.com"},
		"Keycloak 24":             {"client_id": nil, "azp": "web", "typ": "Bearer", "nonce": "n"},
		"Entra":                   {"client_id": nil, "scope": nil, "azp": "web", "scp": "photos.read"},
		"Entra v1, a program":     {"client_id": nil, "scope": nil, "appid": "web"},
		"Okta":                    {"client_id": nil, "scope": nil, "cid": "web", "scp": []string{"photos.read"}},
		"Cognito":                 {"aud": nil, "token_use": "access", "auth_time": 1},
		"a scope and no client":   {"client_id": nil},
		"a client without scopes": {"scope": nil},
	} {
		_, err := jwtVerifier(s).VerifyToken(t.Context(), s.AccessToken(claims, m{"typ": "JWT"}))
		if err == nil || !strings.Contains(err.Error(), "set JWT.Typ to the typ of the server's access tokens, and JWT.Claims too") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestAudienceSettings: no audience, and two settings for the audience, are different errors.
func TestAudienceSettings(t *testing.T) {
	s := optest.New(t)
	neither, both := jwtVerifier(s), jwtVerifier(s)
	neither.Audience = ""
	both.AudienceClients = []string{"web"}
	for want, j := range map[string]*rs.JWT{
		"JWT.Audience is empty: set it to the server's name for this API":              neither,
		"JWT.Audience (or JWT.Audiences) and JWT.AudienceClients are both set: remove": both,
	} {
		_, err := j.VerifyToken(t.Context(), s.AccessToken(nil, nil))
		if err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%v, expected %q", err, want)
		}
	}
}

// TestAccessTokensLikeIDTokens: the access tokens of Dex cannot be distinguished from its ID
// tokens. The error says which Verifier accepts them.
func TestAccessTokensLikeIDTokens(t *testing.T) {
	s := optest.New(t)
	token := s.AccessToken(m{"scope": nil, "client_id": nil, "nonce": "canary-n", "at_hash": "x", "email": "a@example.com"}, m{"typ": nil})
	_, err := jwtVerifier(s).VerifyToken(t.Context(), token)
	if want := "use Introspection or rs.IDToken"; err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("%q is missing in %v", want, err)
	}
}

// TestEncryptedForServer: Auth0 issues such tokens for requests without an audience.
func TestEncryptedForServer(t *testing.T) {
	s := optest.New(t)
	_, err := jwtVerifier(s).VerifyToken(t.Context(), "eyJhbGciOiJkaXIiLCJlbmMiOiJBMjU2R0NNIn0..AAAA.AAAA.AAAA")
	if want := "request this API's audience in the login, or use Introspection"; err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("%q is missing in %v", want, err)
	}
}
