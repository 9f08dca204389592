package rs_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/countersign/countersign/client"
	"github.com/countersign/countersign/discovery"
	"github.com/countersign/countersign/internal/optest"
	"github.com/countersign/countersign/rs"
)

type m = map[string]any

func jwtVerifier(s *optest.Server) *rs.JWT {
	p := &discovery.Provider{Issuer: s.URL}
	return &rs.JWT{Issuer: s.URL, Audience: optest.Audience, Keys: p.Keys()}
}

func introspection(s *optest.Server) *rs.Introspection {
	return &rs.Introspection{
		URL: s.URL + "/introspect", Issuer: s.URL, Audience: optest.Audience,
		Auth: client.SecretBasic(optest.ClientSecret).For(optest.ClientID, s.URL),
	}
}

// quiet is a Protection that logs into nothing.
func quiet(v rs.Verifier) *rs.Protection {
	return &rs.Protection{Tokens: v, Logger: slog.New(slog.NewTextHandler(io.Discard, nil))}
}

// ask sends a request with the header through the whole middleware.
func ask(p *rs.Protection, header http.Header, target string) *httptest.ResponseRecorder {
	next := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		principal, ok := rs.FromContext(r.Context())
		fmt.Fprintf(w, "%v %s %s %v", ok, principal.Subject, principal.ClientID, principal.Scopes)
	})
	r := httptest.NewRequest("GET", target, nil)
	maps.Copy(r.Header, header)
	w := httptest.NewRecorder()
	p.Handler(rs.RequireScope("photos.read")(next)).ServeHTTP(w, r)
	return w
}

func bearer(token string) http.Header { return http.Header{"Authorization": {"Bearer " + token}} }

// TestHandler lets good tokens of both kinds through, and says whose they are.
func TestHandler(t *testing.T) {
	s := optest.New(t)
	either := &rs.Either{JWT: jwtVerifier(s), Opaque: introspection(s)}
	for name, p := range map[string]*rs.Protection{"JWT": quiet(jwtVerifier(s)), "either": quiet(either)} {
		w := ask(p, bearer(s.AccessToken(nil, nil)), "/")
		if w.Code != 200 || w.Body.String() != "true alice rp [openid photos.read]" {
			t.Errorf("%s: %d %s", name, w.Code, w.Body)
		}
	}
	for name, p := range map[string]*rs.Protection{"introspection": quiet(introspection(s)), "either": quiet(either)} {
		w := ask(p, bearer("canary-opaque"), "/")
		if w.Code != 200 || w.Body.String() != "true alice rp [openid photos.read]" {
			t.Errorf("%s: %d %s", name, w.Code, w.Body)
		}
	}
	w := ask(quiet(jwtVerifier(s)), http.Header{"Authorization": {"bEARER " + s.AccessToken(nil, nil)}}, "/")
	if w.Code != 200 {
		t.Errorf("the scheme in another case: %d", w.Code)
	}
}

// TestAnswers: RFC 6750 §3, §3.1. RS-01, RS-02, RS-03.
func TestAnswers(t *testing.T) {
	s := optest.New(t)
	good := s.AccessToken(nil, nil)
	p := quiet(jwtVerifier(s))
	p.Realm = `photos "of" alice` + "\r\nX: y"
	const realm = `Bearer realm="photos of aliceX: y"`
	for _, test := range []struct {
		name      string
		header    http.Header
		target    string
		status    int
		challenge string
	}{
		{"no token", nil, "/", 401, realm},
		{"another scheme", http.Header{"Authorization": {"Basic YTpi"}}, "/", 401, realm},
		{"garbage", bearer("x"), "/", 401, realm + `, error="invalid_token", error_description="the access token is not valid here"`},
		{"expired", bearer(s.AccessToken(m{"exp": time.Now().Unix() - 60}, nil)), "/", 401, realm + `, error="invalid_token", error_description="the access token is not valid here"`},
		{"lacks the scope", bearer(s.AccessToken(m{"scope": "photos.reader photos"}, nil)), "/", 403, realm + `, error="insufficient_scope", error_description="the access token lacks a scope", scope="photos.read"`},
		{"no scope at all", bearer(s.AccessToken(m{"scope": nil}, nil)), "/", 403, realm + `, error="insufficient_scope", error_description="the access token lacks a scope", scope="photos.read"`},
		{"two headers", http.Header{"Authorization": {"Bearer " + good, "Bearer " + good}}, "/", 400, realm + `, error="invalid_request", error_description="more than one Authorization header"`},
		{"no token after Bearer", http.Header{"Authorization": {"Bearer"}}, "/", 400, realm + `, error="invalid_request", error_description="the Authorization header is malformed"`},
		{"two spaces", http.Header{"Authorization": {"Bearer  " + good}}, "/", 400, realm + `, error="invalid_request", error_description="the Authorization header is malformed"`},
		{"two tokens", bearer(good + "," + good), "/", 400, realm + `, error="invalid_request", error_description="the Authorization header is malformed"`},
		{"in the query alone", nil, "/?access_token=" + good, 400, realm + `, error="invalid_request", error_description="an access token in the query is not accepted"`},
		{"in the query too", bearer(good), "/?access_token=x", 400, realm + `, error="invalid_request", error_description="an access token in the query is not accepted"`},
		{"in the query in disguise", bearer(good), "/?%61ccess_token=x", 400, realm + `, error="invalid_request", error_description="an access token in the query is not accepted"`},
	} {
		t.Run(test.name, func(t *testing.T) {
			w := ask(p, test.header, test.target)
			if got := w.Header().Get("WWW-Authenticate"); w.Code != test.status || got != test.challenge {
				t.Errorf("%d %s", w.Code, got)
			}
			var body map[string]string
			if err := json.Unmarshal(w.Body.Bytes(), &body); err != nil || w.Header().Get("Cache-Control") != "no-store" {
				t.Errorf("body %s: %v", w.Body, err)
			}
			if strings.Contains(w.Body.String(), "eyJ") {
				t.Errorf("a token is in the answer %s", w.Body)
			}
		})
	}
}

// TestJWT: RFC 9068 §2.2, §4. RS-04, RS-05, RS-07.
func TestJWT(t *testing.T) {
	s := optest.New(t)
	now := time.Now().Unix()
	other := optest.New(t)
	for _, test := range []struct {
		name           string
		claims, header m
		edit           func(*rs.JWT)
		ok             bool
	}{
		{name: "good", ok: true},
		{name: "application/at+jwt", header: m{"typ": "application/AT+jwt"}, ok: true},
		{name: "aud a string", claims: m{"aud": optest.Audience}, ok: true},
		{name: "aud of several", claims: m{"aud": []string{"x", optest.Audience}}, ok: true},
		{name: "without scope", claims: m{"scope": nil}, ok: true},
		{name: "an ID token's typ", header: m{"typ": "JWT"}},
		{name: "no typ", header: m{"typ": nil}},
		{name: "alg none", header: m{"alg": "none"}},
		{name: "an unknown kid", header: m{"kid": "x"}},
		{name: "crit", header: m{"crit": []string{"x"}}},
		{name: "iss of another", claims: m{"iss": other.URL}},
		{name: "iss missing", claims: m{"iss": nil}},
		{name: "aud of another", claims: m{"aud": "https://other.example/"}},
		{name: "aud missing", claims: m{"aud": nil}},
		{name: "aud empty", claims: m{"aud": []string{}}},
		{name: "aud with a slash less", claims: m{"aud": strings.TrimSuffix(optest.Audience, "/")}},
		{name: "sub missing", claims: m{"sub": nil}},
		{name: "sub missing, as Duende has it", claims: m{"sub": nil, "scope": []string{"photos.read"}}, edit: func(j *rs.JWT) { j.InsecureMissingSubject, j.ScopeList = true, true }, ok: true},
		{name: "sub and client missing", claims: m{"sub": nil, "client_id": nil}, edit: func(j *rs.JWT) { j.InsecureMissingSubject = true }},
		{name: "client_id missing", claims: m{"client_id": nil}},
		{name: "iat missing", claims: m{"iat": nil}},
		{name: "jti missing", claims: m{"jti": nil}},
		{name: "exp missing", claims: m{"exp": nil}},
		{name: "exp a string", claims: m{"exp": "9999999999"}},
		{name: "expired", claims: m{"exp": now - 31}},
		{name: "expired within the skew", claims: m{"exp": now - 20}, ok: true},
		{name: "from the future", claims: m{"iat": now + 60}},
		{name: "not yet", claims: m{"nbf": now + 60}},
		{name: "nobody knows since when", claims: m{"auth_time": 0}, ok: true},
		{name: "nbf 0", claims: m{"nbf": 0}},
		{name: "exp 0", claims: m{"exp": 0}},
		{name: "bound to a key", claims: m{"cnf": m{"jkt": "x"}}},
		{name: "scope an array", claims: m{"scope": []string{"photos.read"}}},
		{name: "scope a number", claims: m{"scope": 1}},
		{name: "scope an array, as configured", claims: m{"scope": []string{"photos.read"}}, edit: func(j *rs.JWT) { j.ScopeList = true }, ok: true},
		{name: "scope one string where arrays are configured", claims: m{"scope": "photos.read"}, edit: func(j *rs.JWT) { j.ScopeList = true }, ok: true},
		{name: "scope a number where arrays are configured", claims: m{"scope": 5}, edit: func(j *rs.JWT) { j.ScopeList = true }},
		{name: "scope mixed, as configured", claims: m{"scope": []any{"a", 1}}, edit: func(j *rs.JWT) { j.ScopeList = true }},
		{name: "no issuer configured", claims: m{"iss": ""}, edit: func(j *rs.JWT) { j.Issuer = "" }},
		{name: "no audience configured", claims: m{"aud": ""}, edit: func(j *rs.JWT) { j.Audience = "" }},
		{name: "no keys configured", edit: func(j *rs.JWT) { j.Keys = nil }},
		{name: "none configured", header: m{"alg": "none"}, edit: func(j *rs.JWT) { j.Algs = []string{"none"} }},
		{name: "negative skew", edit: func(j *rs.JWT) { j.Skew = -1 }},

		{name: "no typ, as configured", header: m{"typ": nil}, edit: func(j *rs.JWT) { j.Typ = rs.NoTyp }, ok: true},
		{name: "a typ where none is configured", edit: func(j *rs.JWT) { j.Typ = rs.NoTyp }},
		{name: "JWT, as configured", header: m{"typ": "JWT"}, edit: func(j *rs.JWT) { j.Typ = "JWT" }, ok: true},
		{name: "at+jwt where JWT is configured", edit: func(j *rs.JWT) { j.Typ = "JWT" }},
		{name: "JWT without jti, as configured", header: m{"typ": "JWT"}, claims: m{"jti": nil, "iat": nil, "sub": nil}, edit: func(j *rs.JWT) { j.Typ = "JWT" }, ok: true},
		{name: "JWT of nobody", header: m{"typ": "JWT"}, claims: m{"sub": nil, "client_id": nil}, edit: func(j *rs.JWT) { j.Typ = "JWT" }},
		{name: "an ID token by its nonce", header: m{"typ": "JWT"}, claims: m{"nonce": "n"}, edit: func(j *rs.JWT) { j.Typ = "JWT" }},
		{name: "a nonce, marked as Keycloak did until 25", header: m{"typ": "JWT"}, claims: m{"nonce": "n", "typ": "Bearer"}, edit: func(j *rs.JWT) { j.Typ, j.Claims, j.InsecureNonce = "JWT", map[string]string{"typ": "Bearer"}, true }, ok: true},
		{name: "InsecureNonce without a mark", header: m{"typ": "JWT"}, edit: func(j *rs.JWT) { j.Typ, j.InsecureNonce = "JWT", true }},
		{name: "RS-04: a nonce, marked", header: m{"typ": "JWT"}, claims: m{"nonce": "n", "typ": "Bearer"}, edit: func(j *rs.JWT) { j.Typ, j.Claims = "JWT", map[string]string{"typ": "Bearer"} }},
		{name: "a nonce, marked as an ID token", header: m{"typ": "JWT"}, claims: m{"nonce": "n", "typ": "ID"}, edit: func(j *rs.JWT) { j.Typ, j.Claims, j.InsecureNonce = "JWT", map[string]string{"typ": "Bearer"}, true }},
		{name: "an at_hash, marked all the same", header: m{"typ": "JWT"}, claims: m{"at_hash": "x", "typ": "Bearer"}, edit: func(j *rs.JWT) { j.Typ, j.Claims = "JWT", map[string]string{"typ": "Bearer"} }},
		{name: "an ID token by its at_hash", header: m{"typ": "JWT"}, claims: m{"at_hash": "x"}, edit: func(j *rs.JWT) { j.Typ = "JWT" }},
		{name: "an ID token of a refresh", header: m{"typ": nil}, claims: m{"aud": optest.Audience, "azp": optest.Audience, "scope": nil, "client_id": nil}, edit: func(j *rs.JWT) { j.Typ = rs.NoTyp }},
		{name: "a token for its client, with a scope", header: m{"typ": nil}, claims: m{"azp": optest.Audience}, edit: func(j *rs.JWT) { j.Typ = rs.NoTyp }, ok: true},
		{name: "a token without scope for an API", header: m{"typ": nil}, claims: m{"azp": "rp", "scope": nil}, edit: func(j *rs.JWT) { j.Typ = rs.NoTyp }, ok: true},
		{name: "a token for its client, marked", header: m{"typ": nil}, claims: m{"azp": optest.Audience, "scope": nil, "token_use": "access"}, edit: func(j *rs.JWT) { j.Typ, j.Claims = rs.NoTyp, map[string]string{"token_use": "access"} }, ok: true},
		{name: "azp a number", header: m{"typ": nil}, claims: m{"azp": 1, "scope": nil}, edit: func(j *rs.JWT) { j.Typ = rs.NoTyp }, ok: true},
		{name: "a refresh token by its token_class", header: m{"typ": nil}, claims: m{"token_class": "refresh_token"}, edit: func(j *rs.JWT) { j.Typ = rs.NoTyp }},
		{name: "an access token by its token_class", header: m{"typ": nil}, claims: m{"token_class": "access_token"}, edit: func(j *rs.JWT) { j.Typ = rs.NoTyp }, ok: true},
		{name: "a refresh token by its typ", header: m{"typ": "JWT"}, claims: m{"typ": "Offline"}, edit: func(j *rs.JWT) { j.Typ = "JWT" }},
		{name: "an ID token by its token_use", header: m{"typ": nil}, claims: m{"token_use": "id"}, edit: func(j *rs.JWT) { j.Typ = rs.NoTyp }},
		{name: "a refresh token by its tokenName", header: m{"typ": nil}, claims: m{"tokenName": "refresh_token"}, edit: func(j *rs.JWT) { j.Typ = rs.NoTyp }},
		{name: "a kind that is a number", header: m{"typ": nil}, claims: m{"token_use": 1}, edit: func(j *rs.JWT) { j.Typ = rs.NoTyp }, ok: true},
		{name: "a logout token by its events", header: m{"typ": "JWT"}, claims: m{"events": m{}}, edit: func(j *rs.JWT) { j.Typ = "JWT" }},
		{name: "a second mark", header: m{"typ": "JWT"}, claims: m{"token_use": "access"}, edit: func(j *rs.JWT) { j.Typ, j.Claims = "JWT", map[string]string{"token_use": "access"} }, ok: true},
		{name: "another second mark", header: m{"typ": "JWT"}, claims: m{"token_use": "id"}, edit: func(j *rs.JWT) { j.Typ, j.Claims = "JWT", map[string]string{"token_use": "access"} }},
		{name: "no second mark", header: m{"typ": "JWT"}, edit: func(j *rs.JWT) { j.Typ, j.Claims = "JWT", map[string]string{"token_use": "access"} }},
	} {
		t.Run(test.name, func(t *testing.T) {
			j := jwtVerifier(s)
			if test.edit != nil {
				test.edit(j)
			}
			principal, err := j.VerifyToken(t.Context(), s.AccessToken(test.claims, test.header))
			if (err == nil) != test.ok || (principal != nil) != test.ok {
				t.Errorf("got %v, %v", principal, err)
			}
			if err != nil && (strings.Contains(err.Error(), "eyJ") || len(err.Error()) > 1024) {
				t.Errorf("the error is %q", err)
			}
		})
	}
}

// TestDialect: servers that write client_id and scope in another way.
func TestDialect(t *testing.T) {
	s := optest.New(t)
	j := jwtVerifier(s)
	j.ClientIDClaim, j.ScopeClaim, j.ScopeList = "cid", "scp", true
	principal, err := j.VerifyToken(t.Context(), s.AccessToken(m{"cid": "app", "scp": []string{"a", "b"}, "client_id": nil, "scope": "not this"}, nil))
	if err != nil || principal.ClientID != "app" || fmt.Sprint(principal.Scopes) != "[a b]" {
		t.Errorf("%+v, %v", principal, err)
	}
	if _, err := j.VerifyToken(t.Context(), s.AccessToken(m{"cid": 1}, nil)); err == nil {
		t.Error("a client ID that is a number was accepted")
	}
	if _, err := j.VerifyToken(t.Context(), s.AccessToken(nil, nil)); err == nil {
		t.Error("no client ID was accepted")
	}
}

// TestNoFetch: a token that cannot be ours costs the server nothing. RS-06.
func TestNoFetch(t *testing.T) {
	s := optest.New(t)
	j := jwtVerifier(s)
	for _, token := range []string{
		s.AccessToken(m{"iss": "https://evil.example"}, nil), s.AccessToken(m{"aud": "x"}, nil), s.AccessToken(nil, m{"alg": "ES256"}),
		s.AccessToken(m{"exp": 1}, nil), s.AccessToken(nil, m{"typ": "JWT"}), "x", "a.b.c",
	} {
		if _, err := j.VerifyToken(t.Context(), token); err == nil {
			t.Error("accepted")
		}
	}
	if n := s.Hits("/jwks") + s.Hits("/.well-known/openid-configuration"); n != 0 {
		t.Errorf("%d requests", n)
	}
}

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
		{"one scope in no list", good(m{"scope": "photos.read"}), func(i *rs.Introspection) { i.ScopeList = true }, 200},
		{"amr a string", good(m{"amr": "pwd"}), nil, 200},
		{"amr a number", good(m{"amr": 5}), nil, 503},
		{"scope a list, as configured", good(m{"scope": []string{"photos.read"}}), func(i *rs.Introspection) { i.ScopeList = true }, 200},
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
		{"scope a list", good(m{"scope": []string{"photos.read"}}), nil, 401},
		{"no issuer configured", good(nil), func(i *rs.Introspection) { i.Issuer = "" }, 503},
		{"no URL configured", good(nil), func(i *rs.Introspection) { i.URL = "" }, 503},
		{"no authentication configured", good(nil), func(i *rs.Introspection) { i.Auth = nil }, 503},
		{"the endpoint from metadata", good(nil), func(i *rs.Introspection) { i.URL, i.Server = "", &discovery.Provider{Issuer: s.URL} }, 200},
		{"the endpoint from another's metadata", good(nil), func(i *rs.Introspection) { i.URL, i.Server = "", &discovery.Provider{Issuer: "https://other.example"} }, 503},
		{"a wrong secret", good(nil), func(i *rs.Introspection) { i.Auth = client.SecretBasic("canary-wrong").For(optest.ClientID, "") }, 503},
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

// TestSubjectClaim: servers that name the user by another member than sub. RS-14.
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

// TestNotAllowedToAsk: who may not ask is told which field to look at.
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

// TestUnsupportedTokenType: a server that introspects no such tokens has answered.
func TestUnsupportedTokenType(t *testing.T) {
	s := optest.New(t)
	s.Replace("/introspect", func(w http.ResponseWriter, _ *http.Request) {
		optest.JSON(w, 400, m{"error": "unsupported_token_type"})
	})
	if w := ask(quiet(introspection(s)), bearer("x"), "/"); w.Code != 401 {
		t.Errorf("%d", w.Code)
	}
}

// TestUnavailable: a server that cannot be asked is 503, never 401 and never a pass.
func TestUnavailable(t *testing.T) {
	s := optest.New(t)
	token := s.AccessToken(nil, nil)
	for name, h := range map[string]http.HandlerFunc{
		"500":      func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(500) },
		"HTML":     func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "<html>") },
		"redirect": func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, s.URL, http.StatusFound) },
		"hang-up":  func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) },
	} {
		s.Replace("/introspect", h)
		if w := ask(quiet(introspection(s)), bearer("canary-opaque"), "/"); w.Code != 503 || w.Header().Get("Retry-After") == "" {
			t.Errorf("introspection, %s: %d %v", name, w.Code, w.Header())
		}
		s.Replace("/jwks", h)
		if w := ask(quiet(jwtVerifier(s)), bearer(token), "/"); w.Code != 503 {
			t.Errorf("keys, %s: %d", name, w.Code)
		}
	}
	if w := ask(quiet(nil), bearer(token), "/"); w.Code != 503 {
		t.Errorf("no verifier: %d", w.Code)
	}
	nobody := verifierFunc(func(context.Context, string) (*rs.Principal, error) { return nil, nil })
	for _, v := range []rs.Verifier{&rs.Either{}, (*rs.Either)(nil), (*rs.JWT)(nil), rs.Issuers{nil}, (*rs.Introspection)(nil), (*rs.PingValidateBearer)(nil), (*rs.Cache)(nil), nobody} {
		p := quiet(v)
		p.Optional = true
		if w := ask(p, bearer(token), "/"); w.Code != 503 {
			t.Errorf("%T: %d", v, w.Code)
		}
	}
}

// TestOwnError: what an application's verifier or guard gives as an *Error is its own,
// for any number of requests at once, and one that is nearly empty is no good answer.
func TestOwnError(t *testing.T) {
	denied := &rs.Error{Status: 403, Code: "suspended"}
	var status int
	v := verifierFunc(func(_ context.Context, token string) (*rs.Principal, error) {
		if status != 0 {
			return nil, &rs.Error{Status: status, Code: "odd"}
		}
		return nil, denied
	})
	p := withDPoP(v, &rs.DPoP{})
	var wg sync.WaitGroup
	for i := range 20 {
		wg.Go(func() {
			header := bearer("x")
			if i%2 == 0 {
				header = dpopHeader("x", "y")
			}
			if w := ask(p, header, "/"); w.Code != 403 || !strings.Contains(w.Body.String(), "suspended") {
				t.Errorf("%d %s", w.Code, w.Body)
			}
		})
	}
	wg.Wait()
	for _, status = range []int{-1, 1, 99, 101, 200, 204, 1000} {
		if w := ask(p, bearer("x"), "/"); w.Code != 500 {
			t.Errorf("%d is answered %d", status, w.Code)
		}
	}
	empty := verifierFunc(func(context.Context, string) (*rs.Principal, error) { return nil, &rs.Error{} })
	if w := ask(quiet(empty), bearer("x"), "/"); w.Code != 500 {
		t.Errorf("an empty Error is answered %d", w.Code)
	}
}

// TestGuardAlone: a guard without a Protection around it lets nobody through.
func TestGuardAlone(t *testing.T) {
	slog.SetDefault(slog.New(slog.NewTextHandler(io.Discard, nil)))
	w := httptest.NewRecorder()
	rs.RequireScope()(http.NotFoundHandler()).ServeHTTP(w, httptest.NewRequest("GET", "/", nil))
	if w.Code != 503 {
		t.Errorf("%d", w.Code)
	}
}

// TestEitherNeverBoth: a token is tried one way.
func TestEitherNeverBoth(t *testing.T) {
	s := optest.New(t)
	p := quiet(&rs.Either{JWT: jwtVerifier(s), Opaque: introspection(s)})
	if w := ask(p, bearer(s.AccessToken(m{"exp": 1}, nil)), "/"); w.Code != 401 || s.Hits("/introspect") != 0 {
		t.Errorf("%d, introspected %d times", w.Code, s.Hits("/introspect"))
	}
}

// TestLog: the log gets the reason, and neither it nor the caller a token. LOG-01.
func TestLog(t *testing.T) {
	s := optest.New(t)
	var log bytes.Buffer
	i := introspection(s)
	p := &rs.Protection{Tokens: &rs.Either{JWT: jwtVerifier(s), Opaque: i}, Logger: slog.New(slog.NewTextHandler(&log, nil))}
	for _, token := range []string{s.AccessToken(m{"iss": "https://evil.example\r\n\x1b[31m"}, nil), "canary-unknown", s.AccessToken(m{"exp": 1}, nil)} {
		ask(p, bearer(token), "/")
	}
	if text := log.String(); strings.Contains(text, "eyJ") || strings.Contains(text, "canary") || strings.Contains(text, "\x1b") || strings.Count(text, "\n") != 3 {
		t.Errorf("the log has %s", text)
	}
	for _, v := range []any{p, i, *i, p.Tokens} {
		for _, verb := range []string{"%v", "%+v", "%#v"} {
			if text := fmt.Sprintf(verb, v); strings.Contains(text, optest.ClientSecret) {
				t.Errorf("%s prints the secret: %s", verb, text)
			}
		}
	}
}

// TestCheck is for those who route by themselves.
func TestCheck(t *testing.T) {
	s := optest.New(t)
	p := quiet(jwtVerifier(s))
	r := httptest.NewRequest("GET", "/", nil)
	_, err := p.Check(r)
	var e *rs.Error
	if !errors.As(err, &e) || e.Status != 401 || e.Code != "" {
		t.Errorf("got %v", err)
	}
	r.Header = bearer(s.AccessToken(m{"email": "a@example.com"}, nil))
	principal, err := p.Check(r)
	if err != nil {
		t.Fatal(err)
	}
	var claims struct {
		Email string `json:"email"`
	}
	if err := principal.Claims(&claims); err != nil || claims.Email != "a@example.com" {
		t.Errorf("%v, %v", claims, err)
	}
	if _, ok := rs.FromContext(t.Context()); ok {
		t.Error("a principal out of nowhere")
	}
}
