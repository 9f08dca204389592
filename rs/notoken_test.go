package rs_test

import (
	"bytes"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/countersign/countersign/internal/optest"
	"github.com/countersign/countersign/rs"
)

// TestNoTokenReason: the log says why a request has no token. The response is the same for every
// reason, and nothing quotes the header.
func TestNoTokenReason(t *testing.T) {
	const (
		at     = "https://api.example/.well-known/oauth-protected-resource/v1"
		path   = "/.well-known/oauth-protected-resource/v1"
		scheme = "does not begin with Bearer: send"
		same   = `{"error_description":"an access token is required"}` + "\n"
		inside = "mount rs.Metadata outside of Protection.Handler"
	)
	s := optest.New(t)
	token := s.AccessToken(nil, nil)
	for name, test := range map[string]struct {
		edit               func(*rs.Protection)
		method, path, send string
		level, want        string
	}{
		"nothing":               {nil, "GET", "/", "", "INFO", `an access token is required" `},
		"the token alone":       {nil, "GET", "/", token, "INFO", scheme},
		"a colon":               {nil, "GET", "/", "Bearer:" + token, "INFO", scheme},
		"Basic":                 {nil, "GET", "/", "Basic canary-basic", "INFO", scheme},
		"DPoP that is off":      {nil, "GET", "/", "DPoP " + token, "INFO", "Protection.DPoP is nil"},
		"DPoP is on":            {func(p *rs.Protection) { p.DPoP = &rs.DPoP{} }, "GET", "/", token, "INFO", "does not begin with Bearer or DPoP"},
		"a preflight request":   {func(p *rs.Protection) { p.TokenHeader = "" }, "OPTIONS", "/", "preflight", "INFO", "this is a preflight request (CORS) of the origin https://app.example"},
		"options alone":         {nil, "OPTIONS", "/", "", "INFO", `an access token is required" `},
		"another header":        {func(p *rs.Protection) { p.TokenHeader = "X-Token" }, "GET", "/", token, "INFO", `an access token is required" `},
		"the metadata":          {nil, "GET", path, "", "ERROR", inside},
		"its head":              {nil, "HEAD", path, "", "ERROR", inside},
		"a post to it":          {nil, "POST", path, "", "INFO", `an access token is required" `},
		"below it":              {nil, "GET", path + "/x", "", "INFO", `an access token is required" `},
		"without a known place": {func(p *rs.Protection) { p.ResourceMetadata = "" }, "GET", path, "", "INFO", `an access token is required" `},
	} {
		for _, optional := range []bool{false, true} {
			var log bytes.Buffer
			p := &rs.Protection{Tokens: jwtVerifier(s), ResourceMetadata: at, Optional: optional, Logger: slog.New(slog.NewTextHandler(&log, nil))}
			if test.edit != nil {
				test.edit(p)
			}
			r := httptest.NewRequest(test.method, test.path, nil)
			if test.send == "preflight" {
				r.Header = http.Header{"Origin": {"https://app.example"}, "Access-Control-Request-Method": {"GET"}}
			} else if test.send != "" {
				r.Header.Set("Authorization", test.send)
			}
			w := httptest.NewRecorder()
			p.Handler(rs.RequireScope("photos.read")(http.NotFoundHandler())).ServeHTTP(w, r)
			if w.Code != 401 || w.Body.String() != same && test.method != "HEAD" || strings.Contains(w.Header().Get("WWW-Authenticate"), "error") {
				t.Errorf("%s: status %d: %s %v", name, w.Code, w.Body, w.Header())
			}
			if text := log.String(); !strings.Contains(text, test.want) || !strings.Contains(text, "level="+test.level) || strings.Contains(text, "eyJ") || strings.Contains(text, "canary") {
				t.Errorf("%s: expected %s and %q in %s", name, test.level, test.want, text)
			}
		}
	}
}

// TestEmptyToken: a variable of the client that is not set leaves only the scheme. The log says so.
func TestEmptyToken(t *testing.T) {
	for field, want := range map[string]string{"Bearer ": "the token is empty", "Bearer": "the token is empty", `Bearer "x"`: "without quotes"} {
		var log bytes.Buffer
		p := &rs.Protection{Tokens: jwtVerifier(optest.New(t)), Logger: slog.New(slog.NewTextHandler(&log, nil))}
		r, w := httptest.NewRequest("GET", "/", nil), httptest.NewRecorder()
		r.Header.Set("Authorization", field)
		if p.Handler(http.NotFoundHandler()).ServeHTTP(w, r); w.Code != 400 || !strings.Contains(log.String(), want) {
			t.Errorf("%q: status %d, expected %q in %s", field, w.Code, want, &log)
		}
	}
}
