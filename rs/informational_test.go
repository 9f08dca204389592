package rs_test

import (
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/countersign/countersign/internal/optest"
	"github.com/countersign/countersign/rs"
)

// TestPrincipalIdentifiers: jti, sid and iat are in the Principal, from a JWT and from an
// introspection answer.
func TestPrincipalIdentifiers(t *testing.T) {
	s := optest.New(t)
	at := time.Now().Unix() - 10
	s.Active = m{"active": true, "sub": "alice", "aud": optest.Audience, "jti": "t1", "sid": "s1", "iat": at}
	for token, v := range map[string]rs.Verifier{s.AccessToken(m{"jti": "t1", "sid": "s1", "iat": at}, nil): jwtVerifier(s), "canary-opaque": introspection(s)} {
		p, err := v.VerifyToken(t.Context(), token)
		if err != nil || p.ID != "t1" || p.SessionID != "s1" || p.IssuedAt.Unix() != at {
			t.Errorf("%+v, %v", p, err)
		}
	}
}

// TestInformationalClaims: a claim that no check needs never makes a token fail. Only the guard
// that needs it rejects the request, and the log has the reason.
func TestInformationalClaims(t *testing.T) {
	s := optest.New(t)
	acr, age := rs.RequireACR("gold"), rs.RequireMaxAge(time.Minute)
	detail := rs.RequireAuthorizationDetails("payment", nil)
	for _, test := range []struct {
		claim string
		value any
		guard func(http.Handler) http.Handler
		why   string
	}{
		{"acr", 1, acr, "acr in the token is not a string"},
		{"acr", m{"value": "gold"}, acr, "acr in the token is not a string"},
		{"amr", 5, nil, ""},
		{"amr", []any{"pwd", 1}, nil, ""},
		{"amr", m{}, nil, ""},
		{"auth_time", "1700000000", age, "auth_time in the token is not a number"},
		{"auth_time", true, age, "auth_time in the token is not a number"},
		{"auth_time", -1, age, "auth_time in the token is not a number"},
		{"sid", 7, nil, ""},
		{"name", 7, nil, ""},
		{"email", []string{"a"}, nil, ""},
		{"act", "bob", nil, ""},
		{"authorization_details", m{"type": "payment"}, detail, "authorization_details in the token is not an array"},
		{"authorization_details", []string{"payment"}, detail, "authorization_details in the token is not an array"},
		{"authorization_details", []m{{"amount": 1}}, detail, "authorization_details in the token is not an array"},
		{"", nil, acr, "acr is missing"},
		{"", nil, age, "auth_time is missing"},
		{"", nil, detail, "authorization_details is missing"},
		{"acr", "silver", acr, `acr is \"silver\", expected one of \"gold\"`},
	} {
		answer := m{"active": true, "sub": "alice", "aud": optest.Audience, "scope": "photos.read", test.claim: test.value}
		s.Active = answer
		for token, v := range map[string]rs.Verifier{s.AccessToken(m{test.claim: test.value}, nil): jwtVerifier(s), "canary-opaque": introspection(s)} {
			name := fmt.Sprintf("%T %s %v", v, test.claim, test.value)
			if w := ask(quiet(v), bearer(token), "/"); w.Code != 200 {
				t.Errorf("%s: %d %s", name, w.Code, w.Body)
			}
			if test.guard == nil {
				continue
			}
			var log strings.Builder
			p := &rs.Protection{Tokens: v, Logger: slog.New(slog.NewTextHandler(&log, nil))}
			if w := through(p, test.guard, token); w.Code < 400 || !strings.Contains(log.String(), test.why) {
				t.Errorf("%s: %d, the log has %s", name, w.Code, &log)
			}
		}
	}
}

// TestInformationalClaimsRead: one string for amr is a list of one. A malformed act still says
// that there is an actor.
func TestInformationalClaimsRead(t *testing.T) {
	s := optest.New(t)
	p, err := jwtVerifier(s).VerifyToken(t.Context(), s.AccessToken(m{"amr": "pwd", "act": "bob", "acr": 1, "auth_time": "1"}, nil))
	if err != nil {
		t.Fatal(err)
	}
	if fmt.Sprint(p.AMR) != "[pwd]" || p.Act == nil || p.Act.Subject != "" || p.ACR != "" || !p.AuthTime.IsZero() {
		t.Errorf("%+v", p)
	}
}

// TestExactClaims: claims that identify or limit must have the exact type. RS-04.
func TestExactClaims(t *testing.T) {
	s := optest.New(t)
	for claim, value := range map[string]any{
		"iss": 1, "sub": 1, "aud": 1, "exp": "9999999999", "nbf": "1", "iat": "1", "azp": 1, "cnf": "x", "jti": 1, "scope": 1, "client_id": 1,
	} {
		if p, err := jwtVerifier(s).VerifyToken(t.Context(), s.AccessToken(m{claim: value}, nil)); err == nil {
			t.Errorf("%s %v: accepted, %+v", claim, value, p)
		}
	}
}
