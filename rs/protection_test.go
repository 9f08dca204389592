package rs_test

import (
	"bytes"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/countersign/countersign/internal/optest"
	"github.com/countersign/countersign/rs"
)

// TestOptional: a request without a token is accepted without a Principal. A bad token is still
// rejected.
func TestOptional(t *testing.T) {
	s := optest.New(t)
	p := quiet(jwtVerifier(s))
	p.Optional = true
	handler := p.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		who, ok := rs.FromContext(r.Context())
		fmt.Fprint(w, ok, who != nil)
	}))
	for _, test := range []struct {
		header http.Header
		status int
		body   string
	}{
		{nil, 200, "false false"},
		{bearer(s.AccessToken(nil, nil)), 200, "true true"},
		{bearer(s.AccessToken(m{"exp": 1}, nil)), 401, ""},
		{bearer("x y"), 400, ""},
		{http.Header{"Authorization": {"Bearer a", "Bearer b"}}, 400, ""},
	} {
		r := httptest.NewRequest("GET", "/", nil)
		r.Header = test.header
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, r)
		if w.Code != test.status || test.status == 200 && w.Body.String() != test.body {
			t.Errorf("%v: %d %s", test.header, w.Code, w.Body)
		}
	}
	if _, err := p.Check(httptest.NewRequest("GET", "/", nil)); err == nil {
		t.Error("Check accepts a request without a token")
	}
}

// TestOtherPlaces: a token outside of the header is accepted only with its setting. Two tokens
// are rejected. RS-02.
func TestOtherPlaces(t *testing.T) {
	s := optest.New(t)
	good := s.AccessToken(nil, nil)
	form := func(token string) func(*http.Request) {
		return func(r *http.Request) {
			r.Method, r.Body = "POST", io.NopCloser(strings.NewReader("access_token="+token))
			r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		}
	}
	query := func(q string) func(*http.Request) { return func(r *http.Request) { r.URL.RawQuery = q } }
	header := func(r *http.Request) { r.Header.Set("Authorization", "Bearer "+good) }
	cookie := func(r *http.Request) { r.AddCookie(&http.Cookie{Name: "at", Value: good}) }
	all := func(p *rs.Protection) { p.InsecureQuery, p.InsecureForm, p.InsecureCookie = true, true, "at" }
	for _, test := range []struct {
		name   string
		edit   func(*rs.Protection)
		fill   []func(*http.Request)
		status int
	}{
		{"form", nil, []func(*http.Request){form(good)}, 401},
		{"cookie", nil, []func(*http.Request){cookie}, 401},
		{"query, as configured", all, []func(*http.Request){query("access_token=" + good)}, 200},
		{"form, as configured", all, []func(*http.Request){form(good)}, 200},
		{"cookie, as configured", all, []func(*http.Request){cookie}, 200},
		{"header, with all configured", all, []func(*http.Request){header}, 200},
		{"another cookie", func(p *rs.Protection) { p.InsecureCookie = "token" }, []func(*http.Request){cookie}, 401},
		{"a bad token in a form", all, []func(*http.Request){form("a b")}, 400},
		{"a form that is none", all, []func(*http.Request){form("%zz")}, 400},
		{"two in the query", all, []func(*http.Request){query("access_token=" + good + "&access_token=" + good)}, 400},
		{"two cookies", all, []func(*http.Request){cookie, cookie}, 400},
		{"header and query", all, []func(*http.Request){header, query("access_token=" + good)}, 400},
		{"header and form", all, []func(*http.Request){header, form(good)}, 400},
		{"query and cookie", all, []func(*http.Request){query("access_token=" + good), cookie}, 400},
	} {
		t.Run(test.name, func(t *testing.T) {
			p := quiet(jwtVerifier(s))
			if test.edit != nil {
				test.edit(p)
			}
			r := httptest.NewRequest("GET", "/", nil)
			for _, fill := range test.fill {
				fill(r)
			}
			w := httptest.NewRecorder()
			p.Handler(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})).ServeHTTP(w, r)
			if w.Code != test.status {
				t.Errorf("%d %s", w.Code, w.Body)
			}
			if p.InsecureQuery && w.Code == 200 && w.Header().Get("Cache-Control") != "private" {
				t.Error("a shared cache may keep the answer")
			}
		})
	}
}

// TestDeny: Deny writes the response. The headers are set already, and the reason is a separate
// value.
func TestDeny(t *testing.T) {
	s := optest.New(t)
	p := quiet(jwtVerifier(s))
	var log bytes.Buffer
	p.Logger = slog.New(slog.NewTextHandler(&log, nil))
	p.Deny = func(w http.ResponseWriter, _ *http.Request, e *rs.Error) {
		w.WriteHeader(e.Status)
		fmt.Fprint(w, "no: ", e.Code)
	}
	w := through(p, rs.RequireScope("x"), s.AccessToken(m{"exp": 1}, nil))
	if w.Code != 401 || w.Body.String() != "no: invalid_token" || !strings.Contains(w.Header().Get("WWW-Authenticate"), "invalid_token") || w.Header().Get("Cache-Control") != "no-store" {
		t.Errorf("%d %s %v", w.Code, w.Body, w.Header())
	}
	if w := through(p, rs.RequireScope("x"), s.AccessToken(nil, nil)); w.Body.String() != "no: insufficient_scope" {
		t.Errorf("a guard's: %s", w.Body)
	}
	if !strings.Contains(log.String(), "expired") {
		t.Errorf("the log has %s", &log)
	}
}

// TestChallenge: the challenge contains the configured values. RFC 6750 §3, RFC 9728 §5.1.
func TestChallenge(t *testing.T) {
	p := quiet(jwtVerifier(optest.New(t)))
	p.Realm, p.Scopes, p.ResourceMetadata = "photos", []string{"a", `b"`}, "https://api.example/.well-known/oauth-protected-resource"
	const end = `resource_metadata="https://api.example/.well-known/oauth-protected-resource"`
	if got := ask(p, nil, "/").Header().Get("WWW-Authenticate"); got != `Bearer realm="photos", scope="a b", `+end {
		t.Error(got)
	}
	if got := ask(p, bearer("x"), "/").Header().Get("WWW-Authenticate"); got != `Bearer realm="photos", error="invalid_token", error_description="the access token is not valid here", scope="a b", `+end {
		t.Error(got)
	}
}

// TestMalformed: a token that is not a b64token is a bad request for every verifier, and is not
// sent to the server. RS-01.
func TestMalformed(t *testing.T) {
	s := optest.New(t)
	good := s.AccessToken(nil, nil)
	for name, v := range map[string]rs.Verifier{
		"JWT": jwtVerifier(s), "issuers": rs.Issuers{jwtVerifier(s)}, "introspection": introspection(s), "cache": &rs.Cache{Tokens: jwtVerifier(s)},
		"cache of introspection": &rs.Cache{Tokens: introspection(s)}, "either": &rs.JWTOrOpaque{JWT: jwtVerifier(s), Opaque: introspection(s)},
	} {
		for _, token := range []string{"", " ", good + " ", "\t" + good, good + "," + good, good + "\x00", "a\r\nb", "a b", "=", "a=b", "é", strings.Repeat("a", 70_000)} {
			if w := ask(quiet(v), bearer(token), "/"); w.Code != 400 {
				t.Errorf("%s: %.20q: %d", name, token, w.Code)
			}
		}
	}
	if n := s.Hits("/introspect"); n != 0 {
		t.Errorf("%d of them were sent to the server", n)
	}
}
