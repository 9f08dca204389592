package client_test

import (
	"crypto/rand"
	"crypto/rsa"
	"errors"
	"maps"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/countersign/countersign/client"
	"github.com/countersign/countersign/client/auth"
	"github.com/countersign/countersign/idtoken"
	"github.com/countersign/countersign/internal/jose"
	"github.com/countersign/countersign/internal/optest"
)

// signed is an authorization response as a JWT, JARM §2.1.
func signed(s *optest.Server, q url.Values, more m) m {
	claims := m{"iss": s.URL, "aud": optest.ClientID, "exp": time.Now().Unix() + 60}
	for name := range q {
		claims[name] = q.Get(name)
	}
	maps.Copy(claims, more)
	for name, value := range claims {
		if value == nil {
			delete(claims, name)
		}
	}
	return claims
}

// TestJARM: RP-28.
func TestJARM(t *testing.T) {
	now := time.Now().Unix()
	stranger := optest.NewKey("k1 of a stranger", "RS256")
	stranger.ID = "k1"
	for _, test := range []struct {
		name   string
		claims m
		header m
		edit   func(jwt string, q url.Values) url.Values
		ok     bool
	}{
		{name: "good", ok: true},
		{name: "aud an array", claims: m{"aud": []string{optest.ClientID}}, ok: true},
		{name: "without typ", header: m{"typ": nil}, ok: true},
		{name: "outside parameters do not count", edit: func(jwt string, q url.Values) url.Values {
			return url.Values{"response": {jwt}, "code": {"evil"}, "state": {"evil"}, "iss": {"https://evil.example"}}
		}, ok: true},
		{name: "a plain response", edit: func(_ string, q url.Values) url.Values { return q }},
		{name: "two responses", edit: func(jwt string, _ url.Values) url.Values { return url.Values{"response": {jwt, jwt}} }},
		{name: "empty", edit: func(string, url.Values) url.Values { return url.Values{"response": {""}} }},
		{name: "another issuer", claims: m{"iss": "https://evil.example"}},
		{name: "no issuer", claims: m{"iss": nil}},
		{name: "another audience", claims: m{"aud": "other"}},
		{name: "no audience", claims: m{"aud": nil}},
		{name: "an audience more", claims: m{"aud": []string{optest.ClientID, "other"}}},
		{name: "no exp", claims: m{"exp": nil}},
		{name: "expired", claims: m{"exp": now - 31}},
		{name: "exp a string", claims: m{"exp": "9999999999"}},
		{name: "another state", claims: m{"state": "x"}},
		{name: "no state", claims: m{"state": nil}},
		{name: "state a number", claims: m{"state": 1}},
		{name: "code an array", claims: m{"code": []string{"x"}}},
		{name: "code and error", claims: m{"error": "access_denied"}},
		{name: "an access token in it", claims: m{"access_token": "x"}},
		{name: "alg none", header: m{"alg": "none"}},
		{name: "alg HS256", header: m{"alg": "HS256"}},
		{name: "unknown key", header: m{"kid": "x"}},
		{name: "an access token", header: m{"typ": "at+jwt"}},
		{name: "a request object", header: m{"typ": "oauth-authz-req+jwt"}},
		{name: "not signed by the server", edit: func(jwt string, q url.Values) url.Values {
			return url.Values{"response": {stranger.Sign(m{"iss": "x"}, nil)}}
		}},
		{name: "not a JWT", edit: func(string, url.Values) url.Values { return url.Values{"response": {"x"}} }},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := optest.New(t)
			cfg := config(s)
			cfg.ResponseMode = "query.jwt"
			c := newClient(t, cfg)
			pending, q := begun(t, s, c)
			jwt := s.Keys[0].Sign(signed(s, q, test.claims), test.header)
			callback := url.Values{"response": {jwt}}
			if test.edit != nil {
				callback = test.edit(jwt, q)
			}
			tokens, err := c.Finish(t.Context(), pending, callback)
			var e *client.Error
			if (err == nil) != test.ok || err != nil && (!errors.As(err, &e) || e.Step != client.StepCallback || s.Hits("/token") != 0) {
				t.Errorf("got %v, %v", tokens, err)
			}
			if s.Form("/par").Get("response_mode") != "query.jwt" {
				t.Errorf("asked for %v", s.Form("/par"))
			}
			if err != nil {
				noCanary(t, err.Error())
			}
		})
	}
}

// TestJARMError: an error in a signed response is reported.
func TestJARMError(t *testing.T) {
	s := optest.New(t)
	cfg := config(s)
	cfg.ResponseMode = "jwt"
	c := newClient(t, cfg)
	pending, q := begun(t, s, c)
	_, err := c.Finish(t.Context(), pending, url.Values{"response": {s.Keys[0].Sign(signed(s, q, m{"code": nil, "error": "access_denied"}), nil)}})
	var callback *client.CallbackError
	if !errors.As(err, &callback) || callback.Code != "access_denied" {
		t.Errorf("got %v", err)
	}
}

// TestJARMEncrypted decrypts a response that is signed and then encrypted. JARM §2.2.
func TestJARMEncrypted(t *testing.T) {
	s := optest.New(t)
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	cfg := config(s)
	cfg.ResponseMode = "form_post.jwt"
	c := newClient(t, cfg)
	pending, q := begun(t, s, c)
	jwe, err := jose.Encrypt(s.Keys[0].Sign(signed(s, q, nil), nil), "RSA-OAEP-256", "A256GCM", "enc", key.Public())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Finish(t.Context(), pending, url.Values{"response": {jwe}}); err == nil {
		t.Error("opened without a key")
	}
	cfg.ResponseDecryptionKeys = []idtoken.DecryptionKey{{KeyID: "enc", Key: key}}
	c = newClient(t, cfg)
	plain := s.Keys[0].Sign(signed(s, q, nil), nil)
	if _, err := c.Finish(t.Context(), pending, url.Values{"response": {plain}}); err == nil {
		t.Error("a response that is not encrypted was taken where encryption was agreed on")
	}
	if _, err := c.Finish(t.Context(), pending, url.Values{"response": {jwe}}); err != nil {
		t.Error(err)
	}
}

// TestUserInfoEncrypted: OpenID Connect Core §5.3.2.
func TestUserInfoEncrypted(t *testing.T) {
	s := optest.New(t)
	keys, agreements := encryptionAgreements(t, s.Keys[0].Sign(m{"iss": s.URL, "aud": optest.ClientID, "sub": optest.Subject}, nil))
	for _, test := range agreements {
		cfg := config(s)
		cfg.UserInfoAlgs = []string{"RS256"}
		if test.agreed {
			cfg.UserInfoDecryptionKeys = keys
		}
		s.Replace("/userinfo", answer(200, "application/jwt", test.body))
		c := newClient(t, cfg)
		tokens, err := login(t, s, c)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := c.UserInfo(t.Context(), tokens); (err == nil) != test.ok {
			t.Errorf("agreed on %v: %v", test.agreed, err)
		}
	}
}

// TestUserInfoParties is TOK-20: iss and aud of a signed response must be right. They may be
// missing only with the Insecure options.
func TestUserInfoParties(t *testing.T) {
	s := optest.New(t)
	cfg := config(s)
	cfg.UserInfoAlgs = []string{"RS256"}
	strict := newClient(t, cfg)
	cfg.InsecureUnnamedUserInfo = true
	lax := newClient(t, cfg)
	tokens, err := login(t, s, strict)
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		name            string
		claims          m
		strictly, laxly bool
	}{
		{"both", m{"iss": s.URL, "aud": optest.ClientID}, true, true},
		{"no aud", m{"iss": s.URL}, false, true},
		{"neither", m{}, false, true},
		{"another aud", m{"aud": "other"}, false, false},
		{"an empty aud", m{"aud": []string{}}, false, false},
		{"another iss", m{"iss": "https://evil.example"}, false, false},
		{"an empty iss", m{"iss": ""}, false, false},
	} {
		test.claims["sub"] = optest.Subject
		s.Replace("/userinfo", answer(200, "application/jwt", s.Keys[0].Sign(test.claims, nil)))
		if _, err := strict.UserInfo(t.Context(), tokens); (err == nil) != test.strictly {
			t.Errorf("%s: %v", test.name, err)
		}
		if _, err := lax.UserInfo(t.Context(), tokens); (err == nil) != test.laxly {
			t.Errorf("%s, with the switch: %v", test.name, err)
		}
	}
}

// TestUserInfoTyp: OpenID Connect Core §5.3.2 defines no typ. The typ of another kind of JWT is
// rejected.
func TestUserInfoTyp(t *testing.T) {
	s := optest.New(t)
	cfg := config(s)
	cfg.UserInfoAlgs = []string{"RS256"}
	c := newClient(t, cfg)
	tokens, err := login(t, s, c)
	if err != nil {
		t.Fatal(err)
	}
	for typ, ok := range map[any]bool{nil: true, "JWT": true, "token-userinfo+jwt": true, "at+jwt": false, "token-introspection+jwt": false} {
		jwt := s.Keys[0].Sign(m{"iss": s.URL, "aud": optest.ClientID, "sub": optest.Subject}, m{"typ": typ})
		s.Replace("/userinfo", answer(200, "application/jwt", jwt))
		if _, err := c.UserInfo(t.Context(), tokens); (err == nil) != ok {
			t.Errorf("typ %v: %v", typ, err)
		}
	}
}

// frontToken is an ID token of the authorization response.
func frontToken(s *optest.Server, p *client.Pending, code string, more m) string {
	claims := s.IDClaims()
	claims["nonce"] = p.Nonce
	if code != "" {
		claims["c_hash"] = optest.LeftHalf("RS256", code)
	}
	for name, value := range more {
		claims[name] = value
		if value == nil {
			delete(claims, name)
		}
	}
	return s.Keys[0].Sign(claims, nil)
}

// TestHybrid: the authorization response contains code and ID token, OpenID Connect Core §3.3.
// TOK-16.
func TestHybrid(t *testing.T) {
	for _, test := range []struct {
		name   string
		claims m
		edit   func(q url.Values)
		ok     bool
	}{
		{name: "good", ok: true},
		{name: "without iss, which the token names", edit: func(q url.Values) { q.Del("iss") }, ok: true},
		{name: "no c_hash", claims: m{"c_hash": nil}},
		{name: "c_hash of another code", claims: m{"c_hash": optest.LeftHalf("RS256", "x")}},
		{name: "s_hash of another state", claims: m{"s_hash": optest.LeftHalf("RS256", "x")}},
		{name: "no nonce", claims: m{"nonce": nil}},
		{name: "another user than at the token endpoint", claims: m{"sub": "mallory"}},
		{name: "no ID token", edit: func(q url.Values) { q.Del("id_token") }},
		{name: "no code", edit: func(q url.Values) { q.Del("code") }},
		{name: "an access token", edit: func(q url.Values) { q.Set("access_token", "x") }},
		{name: "error and ID token", edit: func(q url.Values) { q.Del("code"); q.Set("error", "x") }},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := optest.New(t)
			cfg := config(s)
			cfg.ResponseType, cfg.ResponseMode = client.ResponseCodeIDToken, "form_post"
			c := newClient(t, cfg)
			pending, q := begun(t, s, c)
			q.Set("id_token", frontToken(s, pending, q.Get("code"), test.claims))
			if test.edit != nil {
				test.edit(q)
			}
			tokens, err := c.Finish(t.Context(), pending, q)
			if (err == nil) != test.ok || (tokens != nil) != test.ok {
				t.Errorf("got %v, %v", tokens, err)
			}
			if got := s.Form("/par"); got.Get("response_type") != "code id_token" || got.Get("response_mode") != "form_post" {
				t.Errorf("asked for %v", got)
			}
		})
	}
}

// TestImplicit: the authorization response contains only an ID token, OpenID Connect Core §3.2.
func TestImplicit(t *testing.T) {
	s := optest.New(t)
	cfg := config(s)
	cfg.ResponseType = client.ResponseIDToken
	c := newClient(t, cfg)
	pending, q := begun(t, s, c)
	q.Del("code")
	q.Set("id_token", frontToken(s, pending, "", nil))
	tokens, err := c.Finish(t.Context(), pending, q)
	if err != nil || tokens.IDToken.Subject != optest.Subject || tokens.AccessToken != "" || s.Hits("/token") != 0 {
		t.Errorf("%v, %v", tokens, err)
	}
	pending, q = begun(t, s, c)
	q.Set("id_token", frontToken(s, pending, "", nil))
	if _, err := c.Finish(t.Context(), pending, q); err == nil {
		t.Error("a code was taken that nobody asked for")
	}
}

func TestResponseConfig(t *testing.T) {
	for name, edit := range map[string]func(*client.Config){
		"token":                      func(c *client.Config) { c.ResponseType = "token" },
		"code token":                 func(c *client.Config) { c.ResponseType = "code token" },
		"mode":                       func(c *client.Config) { c.ResponseMode = "web_message" },
		"an ID token in the query":   func(c *client.Config) { c.ResponseType, c.ResponseMode = client.ResponseIDToken, "query" },
		"an ID token without openid": func(c *client.Config) { c.ResponseType, c.Scopes = client.ResponseIDToken, []string{"x"} },
		"algorithm none":             func(c *client.Config) { c.ResponseAlgs = []string{"none"} },
		"UserInfo algorithm":         func(c *client.Config) { c.UserInfoAlgs = []string{"RS257"} },
	} {
		c := client.Config{Issuer: "https://as.example", ClientID: "rp", Auth: auth.Public(), RedirectURL: "https://rp.example/cb"}
		edit(&c)
		if _, err := client.New(c); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

// TestSignedUserInfo: OpenID Connect Core §5.3.2. TOK-20.
func TestSignedUserInfo(t *testing.T) {
	s := optest.New(t)
	cfg := config(s)
	cfg.UserInfoAlgs = []string{"RS256"}
	c := newClient(t, cfg)
	tokens, err := login(t, s, c)
	if err != nil {
		t.Fatal(err)
	}
	good := m{"iss": s.URL, "aud": optest.ClientID, "sub": optest.Subject, "email": "alice@example.com"}
	with := func(more m) string {
		claims := maps.Clone(good)
		maps.Copy(claims, more)
		return s.Keys[0].Sign(claims, nil)
	}
	for _, test := range []struct {
		name, contentType, body string
		ok                      bool
	}{
		{"good", "application/jwt", with(nil), true},
		{"with parameters", "application/jwt; charset=utf-8", with(nil), true},
		{"JSON", "application/json", `{"sub":"alice"}`, false},
		{"JSON that says it is a JWT", "application/jwt", `{"sub":"alice"}`, false},
		{"another issuer", "application/jwt", with(m{"iss": "x"}), false},
		{"another audience", "application/jwt", with(m{"aud": "x"}), false},
		{"another user", "application/jwt", with(m{"sub": "mallory"}), false},
		{"an unsigned one", "application/jwt", strings.Join(append(strings.Split(with(nil), ".")[:2], ""), "."), false},
		{"a stranger's", "application/jwt", optest.NewKey("k1", "ES256").Sign(good, nil), false},
	} {
		s.Replace("/userinfo", func(w http.ResponseWriter, r *http.Request) {
			if r.Header.Get("Accept") != "application/jwt" {
				t.Errorf("Accept is %s", r.Header.Get("Accept"))
			}
			w.Header().Set("Content-Type", test.contentType)
			w.Write([]byte(test.body))
		})
		info, err := c.UserInfo(t.Context(), tokens)
		if (err == nil) != test.ok {
			t.Errorf("%s: %v", test.name, err)
		}
		var claims struct {
			Email string `json:"email"`
		}
		if test.ok && (info.Claims(&claims) != nil || claims.Email != "alice@example.com") {
			t.Errorf("%s: %+v", test.name, claims)
		}
	}
	plain := newClient(t, config(s))
	s.Replace("/userinfo", answer(200, "application/jwt", with(nil)))
	if _, err := plain.UserInfo(t.Context(), tokens); err == nil {
		t.Error("a JWT was taken where JSON is configured")
	}
}
