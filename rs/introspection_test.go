package rs_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/countersign/countersign/client/auth"
	"github.com/countersign/countersign/discovery"
	"github.com/countersign/countersign/internal/optest"
	"github.com/countersign/countersign/rs"
)

// TestIntrospection: RFC 7662 §2.2, §4. RS-14.
func TestIntrospection(t *testing.T) {
	s := optest.New(t)
	now := time.Now().Unix()
	good := func(more m) m {
		out := m{"active": true, "iss": s.URL, "sub": "alice", "client_id": "rp", "aud": optest.Audience, "scope": "photos.read", "exp": now + 60}
		for name, value := range more {
			out[name] = value
			if value == nil {
				delete(out, name)
			}
		}
		return out
	}
	for _, test := range []struct {
		name   string
		answer m
		edit   func(*rs.Introspection)
		status int
	}{
		{"good", good(nil), nil, 200},
		{"without exp", good(m{"exp": nil}), nil, 200},
		{"without iss", good(m{"iss": nil}), nil, 200},
		{"without sub", good(m{"sub": nil}), nil, 200},
		{"aud of several", good(m{"aud": []string{"x", optest.Audience}}), nil, 200},
		{"without aud, as configured", good(m{"aud": nil, "token_type": "Bearer"}), func(i *rs.Introspection) { i.Audience = "" }, 200},
		{"without aud, of a kind", good(m{"aud": nil, "token_type": "access_token"}), func(i *rs.Introspection) { i.Audience = "" }, 200},
		{"without aud, of a use", good(m{"aud": nil, "token_use": "access_token"}), func(i *rs.Introspection) { i.Audience = "" }, 200},
		{"without aud and token_type", good(m{"aud": nil}), func(i *rs.Introspection) { i.Audience = "" }, 401},
		{"without aud and token_type, insecurely", good(m{"aud": nil}), func(i *rs.Introspection) { i.Audience, i.InsecureMissingTokenType = "", true }, 200},
		{"a refresh token by its use", good(m{"token_use": "refresh_token"}), nil, 401},
		{"a refresh token by its class", good(m{"token_class": "refresh_token"}), nil, 401},
		{"an access token by its class", good(m{"token_class": "access_token"}), nil, 200},
		{"of an unknown type", good(m{"token_type": "mac"}), nil, 401},
		{"amr a string", good(m{"amr": "pwd"}), nil, 200},
		{"amr a number", good(m{"amr": 5}), nil, 200},
		{"scope a list with a number", good(m{"scope": []any{"photos.read", 1}}), nil, 401},
		{"inactive", m{"active": false}, nil, 401},
		{"inactive with all the rest", good(m{"active": false}), nil, 401},
		{"active in a string", good(m{"active": "true"}), nil, 503},
		{"active 1", good(m{"active": 1}), nil, 503},
		{"active missing", good(m{"active": nil}), nil, 503},
		{"Active", good(m{"active": nil, "Active": true}), nil, 503},
		{"of another issuer", good(m{"iss": "https://evil.example"}), nil, 401},
		{"for another", good(m{"aud": "x"}), nil, 401},
		{"without aud", good(m{"aud": nil}), nil, 401},
		{"with aud where none is configured", good(nil), func(i *rs.Introspection) { i.Audience = "" }, 401},
		{"expired", good(m{"exp": now - 60}), nil, 401},
		{"not yet", good(m{"nbf": now + 60}), nil, 401},
		{"a refresh token by its type", good(m{"token_type": "refresh_token"}), nil, 401},
		{"a refresh token by what is missing", m{"active": true, "aud": optest.Audience}, nil, 401},
		{"bound to a key", good(m{"cnf": m{"jkt": "x"}}), nil, 401},
		{"of type DPoP", good(m{"token_type": "DPoP"}), nil, 401},
		{"without scope", good(m{"scope": nil}), nil, 403},
		{"scope a list", good(m{"scope": []string{"photos.read"}}), nil, 200},
		{"no issuer configured", good(nil), func(i *rs.Introspection) { i.Issuer = "" }, 503},
		{"no URL configured", good(nil), func(i *rs.Introspection) { i.URL = "" }, 503},
		{"no authentication configured", good(nil), func(i *rs.Introspection) { i.Auth = nil }, 503},
		{"the endpoint from metadata", good(nil), func(i *rs.Introspection) { i.URL, i.Server = "", &discovery.Provider{Issuer: s.URL} }, 200},
		{"the endpoint from another's metadata", good(nil), func(i *rs.Introspection) { i.URL, i.Server = "", &discovery.Provider{Issuer: "https://other.example"} }, 503},
		{"a wrong secret", good(nil), func(i *rs.Introspection) { i.Auth = auth.SecretBasic("canary-wrong").For(optest.ClientID, "") }, 503},
	} {
		t.Run(test.name, func(t *testing.T) {
			s.Active = test.answer
			i := introspection(s)
			if test.edit != nil {
				test.edit(i)
			}
			w := ask(quiet(i), bearer("canary-opaque"), "/")
			if w.Code != test.status {
				t.Errorf("%d %s", w.Code, w.Body)
			}
		})
	}
	s.Active = nil
	if w := ask(quiet(introspection(s)), bearer("unknown"), "/"); w.Code != 401 {
		t.Errorf("an unknown token: %d", w.Code)
	}
}

// TestSubjectClaim: servers that send the user in another member than sub. RS-14.
func TestSubjectClaim(t *testing.T) {
	s := optest.New(t)
	for name, test := range map[string]struct {
		answer  m
		subject string
		ok      bool
	}{
		"a user":                        {m{"username": "alice"}, "alice", true},
		"a user, whatever sub says":     {m{"username": "alice", "sub": "bob"}, "alice", true},
		"a client":                      {m{}, "", true},
		"a client, whatever sub says":   {m{"sub": "bob"}, "", true},
		"a user who is a number":        {m{"username": 1}, "", false},
		"neither a user nor a client":   {m{"client_id": nil, "sub": "bob"}, "", false},
		"a user of another's audience":  {m{"username": "alice", "aud": "x"}, "", false},
		"a user who is null, as unsaid": {m{"username": json.RawMessage("null")}, "", true},
	} {
		s.Active = m{"active": true, "client_id": "rp", "aud": optest.Audience}
		for member, value := range test.answer {
			s.Active[member] = value
			if value == nil {
				delete(s.Active, member)
			}
		}
		i := introspection(s)
		i.SubjectClaim = "username"
		principal, err := i.VerifyToken(t.Context(), "canary-opaque")
		if (err == nil) != test.ok || err == nil && (principal.Subject != test.subject || principal.ClientID != "rp") {
			t.Errorf("%s: %+v, %v", name, principal, err)
		}
	}
}

// TestSentToServer: if the server rejects the API's credentials, the error has what was sent, and no
// secret. The error of PingFederate's endpoint does too.
func TestSentToServer(t *testing.T) {
	s := optest.New(t)
	s.Replace("/introspect", func(w http.ResponseWriter, _ *http.Request) {
		optest.JSON(w, 401, map[string]any{"error": "invalid_client"})
	})
	for want, by := range map[string]auth.Method{
		`sent client_id "my api", authentication client_secret_basic`:           auth.SecretBasic("canary-secret"),
		`sent client_id "my api", authentication client_secret_post`:            auth.SecretPost("canary-secret"),
		`sent client_id "my api", authentication with an assertion`:             auth.SecretJWT(strings.Repeat("canary-secret", 3), auth.Assertion{}),
		`sent client_id "my api", authentication with a certificate or nothing`: auth.Public(),
	} {
		method := by.For("my api", s.URL)
		asked := introspection(s)
		asked.Auth = method
		ping := &rs.PingValidateBearer{URL: s.URL + "/introspect", Issuer: s.URL, Clients: []string{"rp"}, Auth: method, InsecureHTTP: true}
		for setting, verifier := range map[string]rs.Verifier{"Introspection.Auth": asked, "PingValidateBearer.Auth": ping} {
			_, err := verifier.VerifyToken(t.Context(), "canary-opaque")
			if err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "check "+setting) || strings.Contains(err.Error(), "canary") {
				t.Errorf("expected %q and %q: %v", want, setting, err)
			}
		}
	}
}

// TestNotAllowedToAsk: if the server rejects the API's credentials, the error contains the field
// to check.
func TestNotAllowedToAsk(t *testing.T) {
	s := optest.New(t)
	for status, told := range map[int]bool{401: true, 403: true, 400: false, 500: false} {
		s.Replace("/introspect", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(status) })
		_, err := introspection(s).VerifyToken(t.Context(), "canary-opaque")
		if err == nil || strings.Contains(err.Error(), "Introspection.Auth") != told || strings.Contains(err.Error(), "canary") {
			t.Errorf("%d: %v", status, err)
		}
	}
}

// TestUnsupportedTokenType: the error unsupported_token_type counts as a response.
func TestUnsupportedTokenType(t *testing.T) {
	s := optest.New(t)
	s.Replace("/introspect", func(w http.ResponseWriter, _ *http.Request) {
		optest.JSON(w, 400, m{"error": "unsupported_token_type"})
	})
	if w := ask(quiet(introspection(s)), bearer("x"), "/"); w.Code != 401 {
		t.Errorf("%d", w.Code)
	}
}
