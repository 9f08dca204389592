package rs_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/countersign/countersign/internal/optest"
	"github.com/countersign/countersign/rs"
)

// TestLogLevels: a fault of the client is INFO, a fault that only the operator can fix is ERROR.
// The line has method, path, client, subject and reason. LOG-04.
func TestLogLevels(t *testing.T) {
	s, down := optest.New(t), optest.New(t)
	down.Close()
	good := s.AccessToken(nil, nil)
	for name, test := range map[string]struct {
		tokens rs.Verifier
		guard  func(http.Handler) http.Handler
		token  string
		want   []string
	}{
		"no token":        {jwtVerifier(s), nil, "", []string{"level=INFO", "status=401", "method=PUT", "path=/photos/1"}},
		"a bad token":     {jwtVerifier(s), nil, "x", []string{"level=INFO", "error=invalid_token", "path=/photos/1"}},
		"a lacking scope": {jwtVerifier(s), rs.RequireScope("photos.write"), good, []string{"level=INFO", "client=rp", "subject=alice", "required photos.write, granted openid photos.read"}},
		"a lacking acr":   {jwtVerifier(s), rs.RequireACR("gold"), good, []string{"level=INFO", "client=rp", "subject=alice", "acr is missing"}},
		"another's key":   {jwtVerifier(s), nil, s.AccessToken(m{"cnf": m{"jkt": strings.Repeat("A", 43)}}, nil), []string{"level=INFO", "client=rp", "subject=alice", "bound to a key"}},
		"a server down":   {jwtVerifier(down), nil, down.AccessToken(nil, nil), []string{"level=ERROR", "status=503", "connection refused"}},
		"no audience":     {&rs.JWT{Issuer: s.URL}, nil, good, []string{"level=ERROR", "JWT.Audience"}},
		"nothing":         {nil, nil, good, []string{"level=ERROR", "Protection.Tokens is nil"}},
		"no scopes":       {jwtVerifier(s), rs.RequireScope(), good, []string{"level=ERROR", "status=403", "the guard has no scopes"}},
		"no scope of any": {jwtVerifier(s), rs.RequireAnyScope(), good, []string{"level=ERROR", "status=403", "the guard has no scopes"}},
		"two in one":      {jwtVerifier(s), rs.RequireScope("openid photos.read"), good, []string{"level=ERROR", "status=403", "the guard has the scope", "pass each scope as an argument"}},
		"any two in one":  {jwtVerifier(s), rs.RequireAnyScope("openid photos.read", "x"), good, []string{"level=ERROR", "status=403", "pass each scope as an argument"}},
		"no claim":        {jwtVerifier(s), rs.RequireClaim(nil, "admin"), good, []string{"level=ERROR", "status=403", "RequireClaim has no path"}},
		"no claim value":  {jwtVerifier(s), rs.RequireClaim([]string{"roles"}), good, []string{"level=ERROR", "status=403", "RequireClaim has no path"}},
		"no acr":          {jwtVerifier(s), rs.RequireACR(), good, []string{"level=ERROR", "status=401", "RequireACR has no values"}},
		"a negative age":  {jwtVerifier(s), rs.RequireMaxAge(-1), good, []string{"level=ERROR", "status=401", "RequireMaxAge has a negative age"}},
		"no actor check":  {jwtVerifier(s), rs.RequireActor(1, nil), good, []string{"level=ERROR", "status=403", "RequireActor requires a check"}},
		"a lacking claim": {jwtVerifier(s), rs.RequireClaim([]string{"roles"}, "admin"), good, []string{"level=INFO", "configure the server to add it"}},
		"a dotted claim": {jwtVerifier(s), rs.RequireClaim([]string{"realm_access.roles"}, "admin"), s.AccessToken(m{"realm_access": m{"roles": []string{"user"}}}, nil),
			[]string{"level=INFO", "the claim is nested", "realm_access\\\", \\\"roles"}},
		"another server's claims": {&rs.JWT{Issuer: s.URL, Audience: jwtVerifier(s).Audience, Keys: jwtVerifier(s).Keys, Claims: map[string]string{"kind": "access"}}, nil, good,
			[]string{"level=INFO", "claim \\\"kind\\\" is missing, expected \\\"access\\\""}},
		"another value": {&rs.JWT{Issuer: s.URL, Audience: jwtVerifier(s).Audience, Keys: jwtVerifier(s).Keys, Claims: map[string]string{"kind": "access"}}, nil, s.AccessToken(m{"kind": "id"}, nil),
			[]string{"level=INFO", "claim \\\"kind\\\" is \\\"id\\\", expected \\\"access\\\""}},
		"no string": {&rs.JWT{Issuer: s.URL, Audience: jwtVerifier(s).Audience, Keys: jwtVerifier(s).Keys, Claims: map[string]string{"kind": ""}}, nil, s.AccessToken(m{"kind": 1}, nil),
			[]string{"level=INFO", "claim \\\"kind\\\" is not a string"}},
	} {
		var log bytes.Buffer
		p := &rs.Protection{Tokens: test.tokens, Logger: slog.New(slog.NewTextHandler(&log, nil))}
		handler := http.Handler(http.NotFoundHandler())
		if test.guard != nil {
			handler = test.guard(handler)
		}
		r := httptest.NewRequest("PUT", "/photos/1?canary-query=1", nil)
		if test.token != "" {
			r.Header = bearer(test.token)
		}
		p.Handler(handler).ServeHTTP(httptest.NewRecorder(), r)
		for _, want := range test.want {
			if !strings.Contains(log.String(), want) {
				t.Errorf("%s: %q is not in %s", name, want, &log)
			}
		}
		if strings.Contains(log.String(), "canary") || strings.Contains(log.String(), "eyJ") || strings.Count(log.String(), "\n") != 1 {
			t.Errorf("%s: %s", name, &log)
		}
	}
}

// TestLogHostile: values that the client chooses are quoted and shortened. LOG-02.
func TestLogHostile(t *testing.T) {
	var log bytes.Buffer
	p := &rs.Protection{Tokens: jwtVerifier(optest.New(t)), Logger: slog.New(slog.NewTextHandler(&log, nil))}
	r := httptest.NewRequest("GET", "/", nil)
	r.Method, r.URL.Path = "GET\x1b[31m", "/a\r\nlevel=ERROR \u202e"+strings.Repeat("x", 5000)
	p.Handler(http.NotFoundHandler()).ServeHTTP(httptest.NewRecorder(), r)
	if text := log.String(); strings.Contains(text, "\x1b") || strings.Contains(text, "\u202e") || strings.Count(text, "\n") != 1 || len(text) > 1000 {
		t.Errorf("%q", text)
	}
}

// TestLogClientLeft: a client that disconnects is not an error of the API.
func TestLogClientLeft(t *testing.T) {
	var log bytes.Buffer
	v := verifierFunc(func(ctx context.Context, _ string) (*rs.Principal, error) {
		return nil, temporary{context.Cause(ctx)}
	})
	p := &rs.Protection{Tokens: v, Logger: slog.New(slog.NewTextHandler(&log, nil))}
	for left, level := range map[bool]string{true: "INFO", false: "ERROR"} {
		log.Reset()
		ctx, cancel := context.WithCancelCause(t.Context())
		if left {
			cancel(errors.New("gone"))
		}
		r := httptest.NewRequest("GET", "/", nil).WithContext(ctx)
		r.Header = bearer("x")
		p.Handler(http.NotFoundHandler()).ServeHTTP(httptest.NewRecorder(), r)
		if !strings.Contains(log.String(), "level="+level) {
			t.Errorf("left %v: %s", left, &log)
		}
		cancel(nil)
	}
}

type temporary struct{ error }

func (temporary) Error() string   { return "not now" }
func (temporary) Temporary() bool { return true }
