package rs_test

import (
	"bytes"
	"encoding/json"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/countersign/countersign/internal/optest"
	"github.com/countersign/countersign/rs"
	"github.com/countersign/countersign/rs/rstest"
)

// TestRequireClaim: roles, permissions and groups as servers write them. A claim of another type
// is rejected, and the log has the values of the token.
func TestRequireClaim(t *testing.T) {
	s := optest.New(t)
	roles, keycloak := []string{"roles"}, []string{"realm_access", "roles"}
	for _, test := range []struct {
		name   string
		guard  func(http.Handler) http.Handler
		claims m
		status int
		reason string // a part of the log line
	}{
		{"an array", rs.RequireClaim(roles, "admin"), m{"roles": []string{"viewer", "admin"}}, 200, ""},
		{"a string", rs.RequireClaim(roles, "admin"), m{"roles": "admin"}, 200, ""},
		{"one of two", rs.RequireClaim(roles, "admin", "editor"), m{"roles": []string{"editor"}}, 200, ""},
		{"Keycloak", rs.RequireClaim(keycloak, "admin"), m{"realm_access": m{"roles": []string{"admin"}}}, 200, ""},
		{"a name with dots", rs.RequireClaim([]string{"https://app.example/roles"}, "admin"), m{"https://app.example/roles": []string{"admin"}}, 200, ""},

		{"another role", rs.RequireClaim(roles, "admin"), m{"roles": []string{"viewer"}}, 403, `the token has \"viewer\"`},
		{"no role", rs.RequireClaim(roles, "admin"), m{"roles": []string{}}, 403, "the token has none"},
		{"many roles", rs.RequireClaim(roles, "admin"), m{"roles": strings.Fields(strings.Repeat("r ", 30))}, 403, "and 20 more"},
		{"another case", rs.RequireClaim(roles, "admin"), m{"roles": []string{"Admin"}}, 403, "Admin"},
		{"a claim of another case", rs.RequireClaim(roles, "admin"), m{"Roles": []string{"admin"}}, 403, `no claim \"roles\"`},
		{"words in a string", rs.RequireClaim(roles, "admin"), m{"roles": "viewer admin"}, 403, "viewer admin"},
		{"no claim", rs.RequireClaim(keycloak, "admin"), nil, 403, `no claim \"realm_access\": configure the server`},
		{"no inner claim", rs.RequireClaim(keycloak, "admin"), m{"realm_access": m{}}, 403, `no claim \"realm_access.roles\"`},
		{"not an object", rs.RequireClaim(keycloak, "admin"), m{"realm_access": []string{"admin"}}, 403, `\"realm_access\" is not an object`},
		{"a dot is not a path", rs.RequireClaim([]string{"realm_access.roles"}, "admin"), m{"realm_access": m{"roles": []string{"admin"}}}, 403, "no claim"},
		{"a boolean", rs.RequireClaim(roles, "true"), m{"roles": true}, 403, "neither a string nor an array of strings"},
		{"null", rs.RequireClaim(roles, ""), m{"roles": json.RawMessage("null")}, 403, "neither"},
		{"a null in the array", rs.RequireClaim(roles, ""), m{"roles": []any{nil}}, 403, "neither"},
		{"a number in the array", rs.RequireClaim(roles, "admin"), m{"roles": []any{"admin", 1}}, 403, "neither"},
		{"an object", rs.RequireClaim(roles, "admin"), m{"roles": m{"admin": m{}}}, 403, "neither"},
		{"no values", rs.RequireClaim(roles), m{"roles": []string{"admin"}}, 403, "rejects every request"},
		{"no path", rs.RequireClaim(nil, "admin"), m{"roles": []string{"admin"}}, 403, "rejects every request"},
	} {
		t.Run(test.name, func(t *testing.T) {
			var log bytes.Buffer
			p := &rs.Protection{Tokens: jwtVerifier(s), Logger: slog.New(slog.NewJSONHandler(&log, nil))}
			w := through(p, test.guard, s.AccessToken(test.claims, nil))
			if w.Code != test.status {
				t.Fatalf("status %d, expected %d: %s", w.Code, test.status, &log)
			}
			if !strings.Contains(strings.ReplaceAll(log.String(), `\\\"`, `\"`), test.reason) {
				t.Errorf("no %s in %s", test.reason, &log)
			}
			challenge := w.Header().Get("WWW-Authenticate")
			if test.status == 403 && !strings.Contains(challenge, `error="insufficient_scope"`) {
				t.Errorf("challenge %s", challenge)
			}
			if strings.Contains(challenge, "viewer") {
				t.Errorf("the client sees the roles of the token: %s", challenge)
			}
		})
	}
}

// TestRequireClaimAnswer: the client's error contains the required claim.
func TestRequireClaimAnswer(t *testing.T) {
	r := rstest.With(httptest.NewRequest("GET", "/", nil), rstest.Principal{Subject: "alice", Claims: map[string]any{"groups": []string{"staff"}}})
	w := httptest.NewRecorder()
	rs.RequireClaim([]string{"groups"}, "admins", "owners")(http.NotFoundHandler()).ServeHTTP(w, r)
	want := `error_description="the access token lacks a claim: required groups with one of admins owners"`
	if got := w.Header().Get("WWW-Authenticate"); w.Code != 403 || !strings.Contains(got, want) {
		t.Errorf("%d %s", w.Code, got)
	}
}
