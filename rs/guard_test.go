package rs_test

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/countersign/countersign/internal/optest"
	"github.com/countersign/countersign/rs"
)

// through sends a token through p and one guard.
func through(p *rs.Protection, guard func(http.Handler) http.Handler, token string) *httptest.ResponseRecorder {
	r := httptest.NewRequest("GET", "/", nil)
	if token != "" {
		r.Header = bearer(token)
	}
	w := httptest.NewRecorder()
	p.Handler(guard(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))).ServeHTTP(w, r)
	return w
}

// TestGuards: RFC 6750 §3.1, RFC 9470 §3, RFC 9396 §2. RS-03, RS-07, RS-17.
func TestGuards(t *testing.T) {
	s := optest.New(t)
	now := time.Now()
	p := quiet(jwtVerifier(s))
	p.Now = func() time.Time { return now }
	details := m{"authorization_details": []m{{"type": "account", "iban": "DE1"}, {"type": "payment", "amount": 5}}}
	small := func(_ *http.Request, d rs.AuthorizationDetail) bool {
		var payment struct {
			Amount int `json:"amount"`
		}
		return d.Decode(&payment) == nil && payment.Amount < 10
	}
	for _, test := range []struct {
		name      string
		guard     func(http.Handler) http.Handler
		claims    m
		status    int
		challenge string // a part of it
	}{
		{"all scopes", rs.RequireScope("openid", "photos.read"), nil, 200, ""},
		{"one scope of two", rs.RequireScope("openid", "photos.write"), nil, 403, `error="insufficient_scope", error_description="the access token lacks a scope: required openid photos.write, granted openid photos.read", scope="openid photos.write"`},
		{"a scope in another case", rs.RequireScope("Openid"), nil, 403, "insufficient_scope"},
		{"any scope", rs.RequireAnyScope("photos.write", "photos.read"), nil, 200, ""},
		{"none of any", rs.RequireAnyScope("photos.write", "x"), nil, 403, `required one of photos.write x, granted openid photos.read", scope="photos.write x"`},
		{"any of none", rs.RequireAnyScope(), nil, 403, "no access token is accepted here"},
		{"a hostile scope", rs.RequireScope("a"), m{"scope": "b\"\r\nX:\\y é" + strings.Repeat(" c", 500)}, 403, `granted bX:y  c c`},
		{"split at spaces alone", rs.RequireAnyScope("a"), m{"scope": "a\tb"}, 403, "insufficient_scope"},

		{"acr", rs.RequireACR("gold", "silver"), m{"acr": "silver"}, 200, ""},
		{"another acr", rs.RequireACR("gold", "silver"), m{"acr": "bronze"}, 401, `error="insufficient_user_authentication", error_description="the user must authenticate again or with another method", acr_values="gold silver"`},
		{"no acr", rs.RequireACR("gold"), nil, 401, `acr_values="gold"`},
		{"no acr against an empty one", rs.RequireACR(""), nil, 401, "insufficient_user_authentication"},
		{"acr of none", rs.RequireACR(), m{"acr": "gold"}, 401, "insufficient_user_authentication"},

		{"young", rs.RequireMaxAge(time.Minute), m{"auth_time": now.Unix() - 59}, 200, ""},
		{"too old", rs.RequireMaxAge(time.Minute), m{"auth_time": now.Unix() - 61}, 401, `max_age="60"`},
		{"of age 0", rs.RequireMaxAge(time.Minute), m{"auth_time": 0}, 401, `max_age="60"`},
		{"of unknown age", rs.RequireMaxAge(time.Minute), nil, 401, `max_age="60"`},
		{"a little ahead", rs.RequireMaxAge(time.Minute), m{"auth_time": now.Unix() + 30}, 200, ""},
		{"of a time to come", rs.RequireMaxAge(time.Minute), m{"auth_time": now.Unix() + 3600}, 401, `max_age="60"`},
		{"an age below 0", rs.RequireMaxAge(-time.Minute), m{"auth_time": now.Unix() + 60}, 401, `max_age="0"`},
		{"no scopes at all", rs.RequireScope(), m{"scope": "a"}, 403, "insufficient_scope"},
		{"age 0", rs.RequireMaxAge(0), m{"auth_time": now.Unix() - 1}, 401, `max_age="0"`},

		{"a detail", rs.RequireAuthorizationDetails("account", nil), details, 200, ""},
		{"a detail that matches", rs.RequireAuthorizationDetails("payment", small), details, 200, ""},
		{"a detail of another type that would match", rs.RequireAuthorizationDetails("transfer", small), details, 403, "insufficient_scope"},
		{"a detail that does not match", rs.RequireAuthorizationDetails("payment", func(*http.Request, rs.AuthorizationDetail) bool { return false }), details, 403, "insufficient_scope"},
		{"no detail", rs.RequireAuthorizationDetails("account", nil), nil, 403, "insufficient_scope"},

		{"a condition", rs.Require(func(r *http.Request, p *rs.Principal) error { return nil }), nil, 200, ""},
		{"no condition", rs.Require(nil), nil, 503, ""},
		{"a condition that is not met", rs.Require(func(*http.Request, *rs.Principal) error { return errors.New("canary") }), nil, 403, "insufficient_scope"},
		{"a condition's own answer", rs.Require(func(*http.Request, *rs.Principal) error { return &rs.Error{Status: 404, Description: "none"} }), nil, 404, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			w := through(p, test.guard, s.AccessToken(test.claims, nil))
			if w.Code != test.status || !strings.Contains(w.Header().Get("WWW-Authenticate"), test.challenge) {
				t.Errorf("%d %v", w.Code, w.Header())
			}
			if strings.Contains(w.Body.String(), "canary") {
				t.Errorf("the reason is in the answer: %s", w.Body)
			}
		})
	}
}

// TestGuardsAlone: a guard rejects every request without a Protection, and every request without
// a token.
func TestGuardsAlone(t *testing.T) {
	p := quiet(jwtVerifier(optest.New(t)))
	p.Optional = true
	yes := func(*http.Request, *rs.Principal) error { return nil }
	for i, guard := range []func(http.Handler) http.Handler{
		rs.RequireScope(), rs.RequireAnyScope("a"), rs.RequireACR("a"), rs.RequireMaxAge(time.Hour), rs.RequireAuthorizationDetails("a", nil), rs.Require(yes),
	} {
		w := httptest.NewRecorder()
		guard(http.NotFoundHandler()).ServeHTTP(w, httptest.NewRequest("GET", "/", nil))
		if w.Code != 503 {
			t.Errorf("guard %d alone: %d", i, w.Code)
		}
		if w := through(p, guard, ""); w.Code != 401 || w.Header().Get("WWW-Authenticate") != "Bearer" {
			t.Errorf("guard %d without a token: %d", i, w.Code)
		}
	}
}
