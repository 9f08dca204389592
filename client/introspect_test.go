package client_test

import (
	"cmp"
	"encoding/json"
	"errors"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/countersign/countersign/client"
	"github.com/countersign/countersign/idtoken"
	"github.com/countersign/countersign/internal/optest"
)

func TestIntrospect(t *testing.T) {
	s := optest.New(t)
	s.Active = m{
		"active": true, "iss": s.URL, "sub": "alice", "username": "Alice", "client_id": "rp", "token_type": "Bearer", "jti": "1",
		"aud": []string{"a", "b"}, "scope": "openid photos.read", "exp": 2000000000, "iat": 1000000000, "nbf": 1000000001, "dept": "R&D",
	}
	c := newClient(t, config(s))
	got, err := c.Introspect(t.Context(), "canary-opaque", "access_token")
	if err != nil {
		t.Fatal(err)
	}
	var more struct {
		Dept string `json:"dept"`
	}
	if err := got.Claims(&more); err != nil || more.Dept != "R&D" {
		t.Errorf("%q, %v", more.Dept, err)
	}
	if !got.Active || got.Issuer != s.URL || got.Subject != "alice" || got.Username != "Alice" || got.ClientID != "rp" || got.TokenType != "Bearer" || got.ID != "1" {
		t.Errorf("%+v", got)
	}
	if !slices.Equal(got.Audience, []string{"a", "b"}) || !slices.Equal(got.Scopes, []string{"openid", "photos.read"}) ||
		got.Expiry.Unix() != 2000000000 || got.IssuedAt.Unix() != 1000000000 || got.NotBefore.Unix() != 1000000001 {
		t.Errorf("%+v", got)
	}
	if form := s.Form("/introspect"); form.Get("token_type_hint") != "access_token" || !form.Has("Authorization") {
		t.Error("the hint or the authentication is missing")
	}
	got, err = c.Introspect(t.Context(), "canary-unknown", "")
	if err != nil || got.Active || got.Subject != "" {
		t.Errorf("%+v, %v", got, err)
	}
}

// TestIntrospectAnswers: the checks of RS-14, for a client.
func TestIntrospectAnswers(t *testing.T) {
	for _, test := range []struct {
		name        string
		status      int
		contentType string
		body        string
		active, ok  bool
	}{
		{"active", 200, "application/json; charset=utf-8", `{"active":true}`, true, true},
		{"scope an array", 200, "application/json", `{"active":true,"scope":["a","b"]}`, true, true},
		{"not active", 200, "application/json", `{"active":false}`, false, true},
		{"not active, and yet a name", 200, "application/json", `{"active":false,"sub":"alice"}`, false, true},
		{"times of 0, for none", 200, "application/json", `{"active":true,"exp":0,"iat":0,"nbf":0}`, true, true},
		{"null, for none", 200, "application/json", `{"active":true,"sub":null,"aud":null,"scope":null,"exp":null,"iat":null}`, true, true},
		{"active a string", 200, "application/json", `{"active":"true"}`, false, false},
		{"active a number", 200, "application/json", `{"active":1}`, false, false},
		{"active null", 200, "application/json", `{"active":null}`, false, false},
		{"active missing", 200, "application/json", `{"sub":"alice"}`, false, false},
		{"Active", 200, "application/json", `{"Active":true}`, false, false},
		{"active twice", 200, "application/json", `{"active":false,"active":true}`, false, false},
		{"another issuer", 200, "application/json", `{"active":true,"iss":"https://evil.example"}`, false, false},
		{"exp a string", 200, "application/json", `{"active":true,"exp":"1"}`, false, false},
		{"scope an object", 200, "application/json", `{"active":true,"scope":{}}`, false, false},
		{"trailing data", 200, "application/json", `{"active":true}{}`, false, false},
		{"an array", 200, "application/json", `[{"active":true}]`, false, false},
		{"text", 200, "text/plain", `{"active":true}`, false, false},
		{"a JWT that nobody asked for", 200, "application/token-introspection+jwt", "e.y.J", false, false},
		{"status 201", 201, "application/json", `{"active":true}`, false, false},
		{"status 401", 401, "application/json", `{"active":true,"error":"invalid_client"}`, false, false},
		{"status 503", 503, "application/json", `{"active":true}`, false, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := optest.New(t)
			s.Replace("/introspect", answer(test.status, test.contentType, test.body))
			got, err := newClient(t, config(s)).Introspect(t.Context(), "canary-opaque", "")
			if (err == nil) != test.ok || err == nil && (got.Active != test.active || got.Subject != "") || err != nil && got != nil {
				t.Errorf("%+v, %v", got, err)
			}
			var e *client.Error
			var refused *client.TokenError
			if err != nil && (!errors.As(err, &e) || e.Step != client.StepIntrospect || !errors.As(err, &refused) || refused.Status != test.status) {
				t.Errorf("got %v", err)
			}
			if s.Hits("/introspect") != 1 {
				t.Errorf("%d requests", s.Hits("/introspect"))
			}
		})
	}
}

// signedAnswer is an introspection response as a JWT. RFC 9701 §5.
func signedAnswer(s *optest.Server, claims, header m) string {
	all := m{"iss": s.URL, "aud": optest.ClientID, "iat": time.Now().Unix(), "token_introspection": m{"active": true, "sub": "alice"}}
	maps.Copy(all, claims)
	maps.DeleteFunc(all, func(_ string, v any) bool { return v == nil })
	head := m{"typ": "token-introspection+jwt"}
	maps.Copy(head, header)
	return s.Keys[0].Sign(all, head)
}

// TestIntrospectSigned: RS-15, TOK-09.
func TestIntrospectSigned(t *testing.T) {
	const jwtType = "application/token-introspection+jwt"
	now := time.Now().Unix()
	for _, test := range []struct {
		name        string
		claims      m
		header      m
		contentType string
		edit        func(string) string
		active, ok  bool
	}{
		{name: "active", active: true, ok: true},
		{name: "aud an array", claims: m{"aud": []string{"x", optest.ClientID}}, active: true, ok: true},
		{name: "typ with application/", header: m{"typ": "application/token-introspection+jwt"}, active: true, ok: true},
		{name: "not active", claims: m{"token_introspection": m{"active": false}}, ok: true},
		{name: "active outside does not count", claims: m{"active": true, "token_introspection": m{"active": false}}, ok: true},
		{name: "active outside alone", claims: m{"active": true, "token_introspection": m{}}},
		{name: "no answer", claims: m{"token_introspection": nil}},
		{name: "the answer a string", claims: m{"token_introspection": `{"active":true}`}},
		{name: "another issuer", claims: m{"iss": "https://evil.example"}},
		{name: "no issuer", claims: m{"iss": nil}},
		{name: "for somebody else", claims: m{"aud": "other"}},
		{name: "for nobody", claims: m{"aud": nil}},
		{name: "no iat", claims: m{"iat": nil}},
		{name: "old", claims: m{"iat": now - 400}},
		{name: "of the future", claims: m{"iat": now + 60}},
		{name: "expired", claims: m{"exp": now - 60}},
		{name: "typ JWT", header: m{"typ": "JWT"}},
		{name: "an access token", header: m{"typ": "at+jwt"}},
		{name: "no typ", header: m{"typ": nil}},
		{name: "alg none", header: m{"alg": "none"}},
		{name: "another algorithm", header: m{"alg": "RS512"}},
		{name: "an unknown key", header: m{"kid": "x"}},
		{name: "changed", edit: func(jwt string) string { return jwt[:len(jwt)-4] + "AAAA" }},
		{name: "plain JSON", contentType: "application/json", edit: func(string) string { return `{"active":true}` }},
		{name: "plain JSON that says it is a JWT", edit: func(string) string { return `{"active":true}` }},
		{name: "a JWT that says it is JSON", contentType: "application/json"},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := optest.New(t)
			jwt := signedAnswer(s, test.claims, test.header)
			if test.edit != nil {
				jwt = test.edit(jwt)
			}
			accept := ""
			s.Replace("/introspect", func(w http.ResponseWriter, r *http.Request) {
				accept = r.Header.Get("Accept")
				answer(200, cmp.Or(test.contentType, jwtType), jwt)(w, r)
			})
			cfg := config(s)
			cfg.IntrospectionAlgs = []string{"RS256"}
			got, err := newClient(t, cfg).Introspect(t.Context(), "canary-opaque", "")
			if (err == nil) != test.ok || err == nil && got.Active != test.active {
				t.Errorf("%+v, %v", got, err)
			}
			if accept != jwtType {
				t.Errorf("asked for %s", accept)
			}
			if err != nil {
				noCanary(t, err.Error())
			}
		})
	}
}

// TestIntrospectEncrypted: an encrypted response is accepted only if encryption is configured.
func TestIntrospectEncrypted(t *testing.T) {
	s := optest.New(t)
	keys, agreements := encryptionAgreements(t, signedAnswer(s, nil, nil))
	for _, test := range agreements {
		cfg := config(s)
		cfg.IntrospectionAlgs = []string{"RS256"}
		if test.agreed {
			cfg.IntrospectionDecryptionKeys = keys
		}
		s.Replace("/introspect", answer(200, "application/token-introspection+jwt", test.body))
		got, err := newClient(t, cfg).Introspect(t.Context(), "canary-opaque", "")
		if (err == nil) != test.ok || err == nil && got.Subject != "alice" {
			t.Errorf("agreed on %v: %v", test.agreed, err)
		}
	}
	cfg := config(s)
	cfg.IntrospectionAlgs = []string{"none"}
	if _, err := client.New(cfg); err == nil {
		t.Error("alg none")
	}
}

// TestKeysForWhatIsPlain: with decryption keys, a response that is not encrypted is rejected.
func TestKeysForWhatIsPlain(t *testing.T) {
	keys := []idtoken.DecryptionKey{{KeyID: "enc", Key: "canary"}}
	for name, edit := range map[string]func(*client.Config){
		"IntrospectionDecryptionKeys": func(c *client.Config) { c.IntrospectionDecryptionKeys = keys },
		"UserInfoDecryptionKeys":      func(c *client.Config) { c.UserInfoDecryptionKeys = keys },
		"ResponseDecryptionKeys":      func(c *client.Config) { c.ResponseDecryptionKeys, c.ResponseMode = keys, "query" },
	} {
		cfg := config(optest.New(t))
		edit(&cfg)
		if _, err := client.New(cfg); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: %v", name, err)
		}
		cfg.IntrospectionAlgs, cfg.UserInfoAlgs, cfg.ResponseMode = []string{"RS256"}, []string{"RS256"}, "jwt"
		if _, err := client.New(cfg); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// FuzzIntrospected: a token is active only if active is true.
func FuzzIntrospected(f *testing.F) {
	for _, seed := range []string{`{"active":true}`, `{"active":false}`, `{"active":true,"scope":["a"],"aud":"b","exp":1.5}`, `{"active":"true"}`, `{"Active":true,"active":null}`} {
		f.Add([]byte(seed))
	}
	s := optest.New(f)
	c, err := client.New(config(s))
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		s.Replace("/introspect", answer(200, "application/json", string(body)))
		got, err := c.Introspect(t.Context(), "canary-opaque", "")
		if err != nil || !got.Active {
			return
		}
		var all map[string]any
		if json.Unmarshal(body, &all) != nil || all["active"] != true {
			t.Errorf("%q is active", body)
		}
	})
}
