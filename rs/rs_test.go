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

	"github.com/countersign/countersign/client/auth"
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
		Auth: auth.SecretBasic(optest.ClientSecret).For(optest.ClientID, s.URL),
	}
}

// quiet is a Protection without a log.
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

// TestHandler accepts valid tokens of both kinds, and gives the handler their Principal.
func TestHandler(t *testing.T) {
	s := optest.New(t)
	either := &rs.JWTOrOpaque{JWT: jwtVerifier(s), Opaque: introspection(s)}
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
	for _, scheme := range []string{"bEARER ", "Bearer  ", "Bearer     "} { // RFC 6750 §2.1: 1*SP
		if w := ask(quiet(jwtVerifier(s)), http.Header{"Authorization": {scheme + s.AccessToken(nil, nil)}}, "/"); w.Code != 200 {
			t.Errorf("%q: %d", scheme, w.Code)
		}
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
		{"lacks the scope", bearer(s.AccessToken(m{"scope": "photos.reader photos"}, nil)), "/", 403, realm + `, error="insufficient_scope", error_description="the access token lacks a scope: required photos.read, granted photos.reader photos", scope="photos.read"`},
		{"no scope at all", bearer(s.AccessToken(m{"scope": nil}, nil)), "/", 403, realm + `, error="insufficient_scope", error_description="the access token lacks a scope: required photos.read, granted none", scope="photos.read"`},
		{"two headers", http.Header{"Authorization": {"Bearer " + good, "Bearer " + good}}, "/", 400, realm + `, error="invalid_request", error_description="the request has more than one Authorization header, expected one"`},
		{"no token after Bearer", http.Header{"Authorization": {"Bearer"}}, "/", 400, realm + `, error="invalid_request", error_description="the Authorization header is malformed"`},
		{"a tab", http.Header{"Authorization": {"Bearer\t" + good}}, "/", 401, realm},
		{"a space and a tab", http.Header{"Authorization": {"Bearer \t" + good}}, "/", 400, realm + `, error="invalid_request", error_description="the Authorization header is malformed"`},
		{"spaces alone", http.Header{"Authorization": {"Bearer   "}}, "/", 400, realm + `, error="invalid_request", error_description="the Authorization header is malformed"`},
		{"a space at the end", http.Header{"Authorization": {"Bearer " + good + " "}}, "/", 400, realm + `, error="invalid_request", error_description="the Authorization header is malformed"`},
		{"two tokens", bearer(good + "," + good), "/", 400, realm + `, error="invalid_request", error_description="the Authorization header is malformed"`},
		{"in the query alone", nil, "/?access_token=" + good, 400, realm + `, error="invalid_request", error_description="the access token is in the query, which is not accepted: send it in the Authorization header"`},
		{"in the query too", bearer(good), "/?access_token=x", 400, realm + `, error="invalid_request", error_description="the access token is in the query, which is not accepted: send it in the Authorization header"`},
		{"in the query in disguise", bearer(good), "/?%61ccess_token=x", 400, realm + `, error="invalid_request", error_description="the access token is in the query, which is not accepted: send it in the Authorization header"`},
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

// TestUnavailable: if the server does not answer, the response is 503, never 401, and the request
// is not accepted.
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
	for _, v := range []rs.Verifier{&rs.JWTOrOpaque{}, (*rs.JWTOrOpaque)(nil), (*rs.JWT)(nil), rs.Issuers{nil}, (*rs.Introspection)(nil), (*rs.PingValidateBearer)(nil), (*rs.Cache)(nil), nobody} {
		p := quiet(v)
		p.Optional = true
		if w := ask(p, bearer(token), "/"); w.Code != 503 {
			t.Errorf("%T: %d", v, w.Code)
		}
	}
}

// TestOwnError: an *Error of the application's verifier or guard is used without a change, for
// any number of requests at once. An almost empty one is still a rejection.
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

// TestGuardAlone: a guard without a Protection rejects every request.
func TestGuardAlone(t *testing.T) {
	slog.SetDefault(slog.New(slog.NewTextHandler(io.Discard, nil)))
	w := httptest.NewRecorder()
	rs.RequireScope()(http.NotFoundHandler()).ServeHTTP(w, httptest.NewRequest("GET", "/", nil))
	if w.Code != 503 {
		t.Errorf("%d", w.Code)
	}
}

// TestEitherNeverBoth: a token is checked by one verifier only.
func TestEitherNeverBoth(t *testing.T) {
	s := optest.New(t)
	p := quiet(&rs.JWTOrOpaque{JWT: jwtVerifier(s), Opaque: introspection(s)})
	if w := ask(p, bearer(s.AccessToken(m{"exp": 1}, nil)), "/"); w.Code != 401 || s.Hits("/introspect") != 0 {
		t.Errorf("%d, introspected %d times", w.Code, s.Hits("/introspect"))
	}
}

// TestLog: the log has the reason. Neither the log nor the response has a token. LOG-01.
func TestLog(t *testing.T) {
	s := optest.New(t)
	var log bytes.Buffer
	i := introspection(s)
	p := &rs.Protection{Tokens: &rs.JWTOrOpaque{JWT: jwtVerifier(s), Opaque: i}, Logger: slog.New(slog.NewTextHandler(&log, nil))}
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

// TestCheck: Check is for applications with their own routing.
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
