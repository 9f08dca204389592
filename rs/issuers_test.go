package rs_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/countersign/countersign/client/auth"
	"github.com/countersign/countersign/discovery"
	"github.com/countersign/countersign/internal/jose"
	"github.com/countersign/countersign/internal/optest"
	"github.com/countersign/countersign/rs"
)

// static is a key set with k's public key, and additional members.
func static(t *testing.T, k optest.Key, more m) rs.KeySet {
	jwk := k.JWK()
	for name, value := range more {
		jwk[name] = value
	}
	raw, err := json.Marshal(m{"keys": []any{jwk}})
	if err != nil {
		t.Fatal(err)
	}
	keys, err := discovery.StaticKeys(raw)
	if err != nil {
		t.Fatal(err)
	}
	return keys
}

// TestIssuers: each issuer has its own audience, algorithms, keys and typ. RS-06, JWKS-08.
func TestIssuers(t *testing.T) {
	one, two, evil := optest.New(t), optest.New(t), optest.New(t)
	two.Keys = []optest.Key{optest.NewKey("k1", "ES256")} // the same kid as one's
	second := jwtVerifier(two)
	second.Audience, second.Algs, second.Typ = "second", []string{"ES256"}, "JWT"
	all := rs.Issuers{jwtVerifier(one), second}
	secondToken := func(s *optest.Server, claims, header m) string {
		c := m{"iss": two.URL, "aud": "second"}
		for name, value := range claims {
			c[name] = value
		}
		h := m{"typ": "JWT"}
		for name, value := range header {
			h[name] = value
		}
		return s.AccessToken(c, h)
	}
	for _, test := range []struct {
		name  string
		token string
		ok    bool
	}{
		{"the first's", one.AccessToken(nil, nil), true},
		{"the second's", secondToken(two, nil, nil), true},
		{"the first's with the second's audience", one.AccessToken(m{"aud": "second"}, nil), false},
		{"the first's with the second's typ", one.AccessToken(nil, m{"typ": "JWT"}), false},
		{"the second's by the first's key", secondToken(one, nil, nil), false},
		{"the second's with the first's typ", secondToken(two, nil, m{"typ": "at+jwt"}), false},
		{"a third's", evil.AccessToken(nil, nil), false},
		{"of nobody", one.AccessToken(m{"iss": nil}, nil), false},
		{"of a number", one.AccessToken(m{"iss": 1}, nil), false},
		{"with a slash more", one.AccessToken(m{"iss": one.URL + "/"}, nil), false},
	} {
		p, err := all.VerifyToken(t.Context(), test.token)
		if (err == nil) != test.ok || (p != nil) != test.ok {
			t.Errorf("%s: %v, %v", test.name, p, err)
		}
	}
	if n := evil.Hits("/jwks") + evil.Hits("/.well-known/openid-configuration"); n != 0 {
		t.Errorf("%d requests to a server that nobody configured", n)
	}
	for name, bad := range map[string]rs.Issuers{"none": nil, "nil": {nil}, "two of one": {jwtVerifier(one), jwtVerifier(one)}} {
		if w := ask(quiet(bad), bearer(one.AccessToken(nil, nil)), "/"); w.Code != 503 {
			t.Errorf("%s: %d", name, w.Code)
		}
	}
}

// TestIssuersNoFetch: an unknown iss causes no request. RS-06.
func TestIssuersNoFetch(t *testing.T) {
	one, evil := optest.New(t), optest.New(t)
	if w := ask(quiet(rs.Issuers{jwtVerifier(one)}), bearer(evil.AccessToken(nil, nil)), "/"); w.Code != 401 {
		t.Errorf("%d", w.Code)
	}
	for _, s := range []*optest.Server{one, evil} {
		if n := s.Hits("/jwks") + s.Hits("/.well-known/openid-configuration"); n != 0 {
			t.Errorf("%d requests", n)
		}
	}
}

// TestTenants: a template with a list of tenants, and keys bound to them.
func TestTenants(t *testing.T) {
	const template = "https://login.example/{tenantid}/v2.0"
	of := func(tenant string) string { return strings.ReplaceAll(template, "{tenantid}", tenant) }
	k := optest.NewKey("k1", "RS256")
	now := time.Now().Unix()
	for _, test := range []struct {
		name      string
		iss, tid  string
		keyIssuer any
		edit      func(*rs.JWT)
		ok        bool
	}{
		{"a tenant, a key of all", of("t1"), "t1", template, nil, true},
		{"a tenant, its own key", of("t1"), "t1", of("t1"), nil, true},
		{"the other tenant", of("t2"), "t2", template, nil, true},
		{"a tenant that is not listed", of("t3"), "t3", template, nil, false},
		{"another tenant's key", of("t1"), "t1", of("t2"), nil, false},
		{"a key of nobody", of("t1"), "t1", nil, nil, false},
		{"tid of another", of("t1"), "t2", template, nil, false},
		{"no tid", of("t1"), "", template, nil, false},
		{"the template itself", template, "{tenantid}", template, nil, false},
		{"no tenant", of(""), "", template, nil, false},
		{"a longer tenant", of("t1/x"), "t1", template, nil, false},
		{"no list", of("t1"), "t1", template, func(j *rs.JWT) { j.Tenants = nil }, false},
		{"a list with nothing in it", of(""), "", template, func(j *rs.JWT) { j.Tenants = []string{""} }, false},
		{"a list without a template", of("t1"), "t1", template, func(j *rs.JWT) { j.Issuer = of("t1") }, false},
		{"keys of another name, as configured", of("t1"), "t1", "all", func(j *rs.JWT) { j.KeyIssuer = "all" }, true},
	} {
		t.Run(test.name, func(t *testing.T) {
			more := m{}
			if test.keyIssuer != nil {
				more["issuer"] = test.keyIssuer
			}
			j := &rs.JWT{Issuer: template, Tenants: []string{"t1", "t2"}, Audience: "api", Keys: static(t, k, more), Typ: "JWT"}
			if test.edit != nil {
				test.edit(j)
			}
			claims := m{"iss": test.iss, "aud": "api", "sub": "alice", "client_id": "rp", "exp": now + 60}
			if test.tid != "" {
				claims["tid"] = test.tid
			}
			for _, v := range []rs.Verifier{j, rs.Issuers{j}} {
				p, err := v.VerifyToken(t.Context(), k.Sign(claims, nil))
				if (err == nil) != test.ok || p != nil && p.Issuer != test.iss {
					t.Errorf("%v, %v", p, err)
				}
			}
		})
	}
}

// TestAudienceClients: a server whose tokens have no aud needs a list of clients and a claim that
// only access tokens have. RS-05.
func TestAudienceClients(t *testing.T) {
	s := optest.New(t)
	for _, test := range []struct {
		name   string
		claims m
		edit   func(*rs.JWT)
		ok     bool
	}{
		{"good", nil, nil, true},
		{"another client", m{"client_id": "other"}, nil, false},
		{"no client", m{"client_id": nil}, nil, false},
		{"an ID token", m{"token_use": "id", "aud": "rp"}, nil, false},
		{"another use", m{"token_use": "id"}, nil, false},
		{"no use", m{"token_use": nil}, nil, false},
		{"with an audience", m{"aud": optest.Audience}, nil, false},
		{"no mark configured", nil, func(j *rs.JWT) { j.Claims = nil }, false},
		{"no typ configured", nil, func(j *rs.JWT) { j.Typ = "" }, false},
		{"an audience too", nil, func(j *rs.JWT) { j.Audience = "x" }, false},
		{"a client without a name", m{"client_id": ""}, func(j *rs.JWT) { j.AudienceClients = []string{""} }, false},
	} {
		j := jwtVerifier(s)
		j.Audience, j.AudienceClients, j.Typ, j.Claims = "", []string{"rp"}, rs.NoTyp, map[string]string{"token_use": "access"}
		if test.edit != nil {
			test.edit(j)
		}
		claims := m{"aud": nil, "token_use": "access"}
		for name, value := range test.claims {
			claims[name] = value
		}
		if p, err := j.VerifyToken(t.Context(), s.AccessToken(claims, m{"typ": nil})); (err == nil) != test.ok {
			t.Errorf("%s: %v, %v", test.name, p, err)
		}
	}
}

// TestMissingIssuer: iss may be missing only with the setting. Another iss is always rejected.
func TestMissingIssuer(t *testing.T) {
	s := optest.New(t)
	j := jwtVerifier(s)
	j.InsecureMissingIssuer = true
	p, err := j.VerifyToken(t.Context(), s.AccessToken(m{"iss": nil}, nil))
	if err != nil || p.Issuer != s.URL {
		t.Errorf("%v, %v", p, err)
	}
	for _, iss := range []any{"https://evil.example", 1, json.RawMessage("null")} {
		if _, err := j.VerifyToken(t.Context(), s.AccessToken(m{"iss": iss}, nil)); err == nil {
			t.Errorf("iss %v is accepted", iss)
		}
	}
}

// TestEncryptedTokens: RFC 9068 §4: encrypted tokens are decrypted if that is configured, and
// must be signed.
func TestEncryptedTokens(t *testing.T) {
	s, other := optest.New(t), optest.New(t)
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	seal := func(inner string) string {
		jwe, err := jose.Encrypt(inner, "ECDH-ES+A256KW", "A256GCM", "enc", &key.PublicKey)
		if err != nil {
			t.Fatal(err)
		}
		return jwe
	}
	plain, private := jwtVerifier(s), jwtVerifier(s)
	private.DecryptionKeys = []rs.DecryptionKey{{KeyID: "enc", Key: key}}
	good := s.AccessToken(nil, nil)
	never := verifierFunc(func(context.Context, string) (*rs.Principal, error) { return nil, errors.New("asked about a JWT") })
	always := verifierFunc(func(context.Context, string) (*rs.Principal, error) { return &rs.Principal{Subject: "alice"}, nil })
	for _, test := range []struct {
		name  string
		v     rs.Verifier
		token string
		ok    bool
	}{
		{"encrypted", private, seal(good), true},
		{"encrypted, among issuers", rs.Issuers{jwtVerifier(other), private}, seal(good), true},
		{"of another issuer", rs.Issuers{jwtVerifier(other), private}, seal(other.AccessToken(nil, nil)), false},
		{"not encrypted", private, good, false},
		{"encrypted where nobody agreed", plain, seal(good), false},
		{"encrypted, among issuers without keys", rs.Issuers{plain}, seal(good), false},
		{"twice", private, seal(seal(good)), false},
		{"claims without a signature", private, seal(`{"iss":"` + s.URL + `"}`), false},
		{"expired", private, seal(s.AccessToken(m{"exp": 1}, nil)), false},
		{"encrypted, where there are opaque ones too", &rs.JWTOrOpaque{JWT: private, Opaque: never}, seal(good), true},
		{"encrypted, among issuers and opaque ones", &rs.Cache{Tokens: &rs.JWTOrOpaque{JWT: rs.Issuers{private}, Opaque: never}}, seal(good), true},
		{"encrypted, remembered, beside opaque ones", &rs.JWTOrOpaque{JWT: &rs.Cache{Tokens: private}, Opaque: never}, seal(good), true},
		{"encrypted to the server itself", &rs.JWTOrOpaque{JWT: plain, Opaque: always}, seal(good), true},
	} {
		if p, err := test.v.VerifyToken(t.Context(), test.token); (err == nil) != test.ok {
			t.Errorf("%s: %v, %v", test.name, p, err)
		}
	}
	for _, verb := range []string{"%v", "%+v", "%#v"} {
		if text := fmt.Sprintf(verb, private.DecryptionKeys); text != `[[decryption key "enc"]]` && !strings.HasSuffix(text, `{[decryption key "enc"]}`) {
			t.Errorf("%s prints %s", verb, text)
		}
	}
}

// TestJoinedKeys: several key sets of one server are used as one.
func TestJoinedKeys(t *testing.T) {
	s, more := optest.New(t), optest.New(t)
	more.Keys = []optest.Key{optest.NewKey("k2", "RS256")}
	pinned := optest.NewKey("k3", "RS256")
	j := jwtVerifier(s)
	j.Keys = discovery.JoinKeys(j.Keys, discovery.KeysAt(more.URL+"/jwks", nil), static(t, pinned, nil))
	sign := func(k optest.Key) string {
		return k.Sign(m{"iss": s.URL, "sub": "a", "aud": optest.Audience, "client_id": "rp", "jti": "1", "iat": time.Now().Unix(), "exp": time.Now().Unix() + 60}, m{"typ": "at+jwt"})
	}
	for i, k := range []optest.Key{s.Keys[0], more.Keys[0], pinned} {
		if _, err := j.VerifyToken(t.Context(), sign(k)); err != nil {
			t.Errorf("key %d: %v", i, err)
		}
	}
	if _, err := j.VerifyToken(t.Context(), sign(optest.NewKey("k4", "RS256"))); err == nil {
		t.Error("an unknown key is accepted")
	}
	impostor := s.Keys[0]
	impostor.Private = pinned.Private
	if _, err := j.VerifyToken(t.Context(), sign(impostor)); err == nil {
		t.Error("one key's kid on another's signature is accepted")
	}
	rotated := optest.NewKey("k5", "RS256")
	more.Rotate(rotated)
	if _, err := j.VerifyToken(t.Context(), sign(rotated)); err != nil {
		t.Errorf("a key rotated in: %v", err)
	}
	j.Keys = discovery.JoinKeys(static(t, pinned, nil), discovery.KeysAt("http://127.0.0.1:1/jwks", nil))
	if _, err := j.VerifyToken(t.Context(), sign(pinned)); err != nil {
		t.Errorf("with one set missing: %v", err)
	}
	if w := ask(quiet(j), bearer(sign(rotated)), "/"); w.Code != 503 {
		t.Errorf("a key that may be in the missing set: %d", w.Code)
	}
	j.Keys = discovery.JoinKeys()
	if w := ask(quiet(j), bearer(sign(pinned)), "/"); w.Code != 503 || j.Ready(t.Context()) == nil {
		t.Errorf("no set at all: %d", w.Code)
	}
}

// TestPingValidateBearer: the grant that PingFederate had before introspection.
func TestPingValidateBearer(t *testing.T) {
	good := `{"access_token":{"Username":"alice"},"token_type":"Bearer","expires_in":60,"scope":"photos.read","client_id":"rp"}`
	for _, test := range []struct {
		name   string
		status int
		answer string
		edit   func(*rs.PingValidateBearer)
		want   int
	}{
		{"good", 200, good, nil, 200},
		{"without a user", 200, good, func(v *rs.PingValidateBearer) { v.SubjectClaim = "" }, 200},
		{"refused", 400, `{"error":"invalid_grant"}`, nil, 401},
		{"our own fault", 400, `{"error":"invalid_client"}`, nil, 503},
		{"down", 500, ``, nil, 503},
		{"not JSON", 200, `<html>`, nil, 503},
		{"an introspection answer", 200, `{"active":true,"client_id":"rp"}`, nil, 401},
		{"another client", 200, strings.ReplaceAll(good, `"rp"`, `"x"`), nil, 401},
		{"another type", 200, strings.ReplaceAll(good, "Bearer", "urn:x"), nil, 401},
		{"expired", 200, strings.ReplaceAll(good, "60", "0"), nil, 401},
		{"no time", 200, strings.ReplaceAll(good, `"expires_in":60,`, ""), nil, 401},
		{"bound", 200, strings.ReplaceAll(good, `"Username"`, `"cnf":{"jkt":"x"},"Username"`), nil, 401},
		{"no such attribute", 200, good, func(v *rs.PingValidateBearer) { v.SubjectClaim = "sub" }, 401},
		{"no scope", 200, strings.ReplaceAll(good, "photos.read", ""), nil, 403},
		{"no clients configured", 200, good, func(v *rs.PingValidateBearer) { v.Clients = nil }, 503},
		{"an empty client configured", 200, strings.ReplaceAll(good, `"rp"`, `""`), func(v *rs.PingValidateBearer) { v.Clients = []string{""} }, 503},
		{"no issuer configured", 200, good, func(v *rs.PingValidateBearer) { v.Issuer = "" }, 503},
		{"no authentication configured", 200, good, func(v *rs.PingValidateBearer) { v.Auth = nil }, 503},
	} {
		t.Run(test.name, func(t *testing.T) {
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if r.PostFormValue("grant_type") != "urn:pingidentity.com:oauth2:grant_type:validate_bearer" || r.PostFormValue("token") != "canary-opaque" {
					t.Errorf("posted %v", r.PostForm)
				}
				w.Header().Set("Content-Type", "application/json")
				w.WriteHeader(test.status)
				fmt.Fprint(w, test.answer)
			}))
			defer server.Close()
			v := &rs.PingValidateBearer{
				URL: server.URL, Issuer: "https://pf.example", Clients: []string{"rp"}, SubjectClaim: "Username",
				Auth: auth.SecretBasic("s").For("api", ""),
			}
			if test.edit != nil {
				test.edit(v)
			}
			if w := ask(quiet(v), bearer("canary-opaque"), "/"); w.Code != test.want {
				t.Errorf("%d %s", w.Code, w.Body)
			}
		})
	}
}
