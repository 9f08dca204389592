package routers_test

import (
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/countersign/countersign/discovery"
	"github.com/countersign/countersign/examples/frameworks/routers"
	"github.com/countersign/countersign/internal/optest"
	"github.com/countersign/countersign/rs"
)

// TestRouters: each router accepts and rejects as net/http does.
func TestRouters(t *testing.T) {
	s := optest.New(t)
	server := &discovery.Provider{Issuer: s.URL}
	meta := &rs.Metadata{Resource: optest.Audience, AuthorizationServers: []string{s.URL}}
	api := &rs.Protection{
		Tokens:           &rs.JWT{Issuer: s.URL, Audience: optest.Audience, Keys: server.Keys()},
		ResourceMetadata: meta.URL(), Logger: slog.New(slog.NewTextHandler(io.Discard, nil)),
	}
	const metadata = `resource_metadata="https://api.example/.well-known/oauth-protected-resource"`
	for name, router := range map[string]http.Handler{"chi": routers.Chi(api), "gin": routers.Gin(api), "echo": routers.Echo(api)} {
		for _, test := range []struct {
			name, path, token string
			status            int
			challenge, body   string
		}{
			{"no token", "/photos/7", "", 401, "Bearer " + metadata, `{"error_description":"an access token is required"}` + "\n"},
			{"a bad token", "/photos/7", s.AccessToken(map[string]any{"aud": "x"}, nil), 401, `Bearer error="invalid_token", error_description="the access token is not valid here", ` + metadata, `{"error":"invalid_token","error_description":"the access token is not valid here"}` + "\n"},
			{"no scope", "/photos/7", s.AccessToken(map[string]any{"scope": "photos"}, nil), 403, `Bearer error="insufficient_scope", error_description="the access token lacks a scope: required photos.read, granted photos", scope="photos.read", ` + metadata, `{"error":"insufficient_scope","error_description":"the access token lacks a scope: required photos.read, granted photos","scope":"photos.read"}` + "\n"},
			{"a good token", "/photos/7", s.AccessToken(nil, nil), 200, "", "photo 7 of alice"},
			{"no such route, no token", "/other", "", 401, "Bearer " + metadata, `{"error_description":"an access token is required"}` + "\n"},
		} {
			t.Run(name+"/"+test.name, func(t *testing.T) {
				r := httptest.NewRequest("GET", test.path, nil)
				if test.token != "" {
					r.Header.Set("Authorization", "Bearer "+test.token)
				}
				w := httptest.NewRecorder()
				router.ServeHTTP(w, r)
				if w.Code != test.status || w.Header().Get("WWW-Authenticate") != test.challenge || w.Body.String() != test.body {
					t.Errorf("%d %q %q", w.Code, w.Header().Get("WWW-Authenticate"), w.Body)
				}
			})
		}
	}
}
