package rs_test

import (
	"strings"
	"testing"

	"github.com/countersign/countersign/internal/optest"
	"github.com/countersign/countersign/rs"
)

// TestAudiences: an API may have several identifiers, and its tokens need one of them. RS-05.
func TestAudiences(t *testing.T) {
	s := optest.New(t)
	for _, test := range []struct {
		first string
		more  []string
		aud   any
		ok    bool
	}{
		{"one", []string{"two"}, "one", true},
		{"one", []string{"two"}, "two", true},
		{"", []string{"one", "two"}, []string{"x", "two"}, true},
		{"one", []string{"two"}, "three", false},
		{"one", []string{"two"}, []string{}, false},
		{"one", []string{"two"}, nil, false},
		{"", []string{"one"}, "", false},
		{"one", []string{""}, "one", false},
		{"", []string{""}, "", false},
		{"", []string{}, "", false},
	} {
		j, i := jwtVerifier(s), introspection(s)
		j.Audience, j.Audiences = test.first, test.more
		i.Audience, i.Audiences = test.first, test.more
		s.Active = m{"active": true, "sub": "alice", "aud": test.aud}
		for token, v := range map[string]rs.Verifier{s.AccessToken(m{"aud": test.aud}, nil): j, "canary-opaque": i} {
			_, err := v.VerifyToken(t.Context(), token)
			if (err == nil) != test.ok {
				t.Errorf("%T %q %q, aud %v: %v", v, test.first, test.more, test.aud, err)
			}
			if test.aud == "three" && !strings.Contains(err.Error(), `"one two"`) {
				t.Errorf("the error does not say what is expected: %v", err)
			}
		}
	}
}

// TestOtherTyps: while a server moves to RFC 9068, each token follows the rules of its typ. RS-04.
func TestOtherTyps(t *testing.T) {
	s := optest.New(t)
	for _, test := range []struct {
		name           string
		claims, header m
		ok             bool
	}{
		{"of RFC 9068", m{"azp": nil}, m{"typ": "at+jwt"}, true},
		{"of RFC 9068, without jti", m{"jti": nil}, m{"typ": "at+jwt"}, false},
		{"of RFC 9068, without a client", m{"client_id": nil}, m{"typ": "at+jwt"}, false},
		{"as before", m{"azp": "rp", "client_id": nil, "jti": nil}, m{"typ": "JWT"}, true},
		{"as before, by client_id", m{"azp": nil}, m{"typ": "JWT"}, false},
		{"without typ", m{"azp": "rp", "client_id": nil}, m{"typ": nil}, true},
		{"an ID token", m{"azp": "rp", "client_id": nil, "nonce": "n"}, m{"typ": "JWT"}, false},
		{"of another typ", nil, m{"typ": "logout+jwt"}, false},
	} {
		j := jwtVerifier(s)
		j.Typ, j.OtherTyps, j.ClientIDClaim = "JWT", []string{rs.NoTyp, "at+jwt"}, "azp"
		p, err := j.VerifyToken(t.Context(), s.AccessToken(test.claims, test.header))
		if (err == nil) != test.ok || err == nil && p.ClientID != "rp" {
			t.Errorf("%s: %+v, %v", test.name, p, err)
		}
	}
	j := jwtVerifier(s)
	j.OtherTyps = []string{""}
	if err := j.Ready(t.Context()); err == nil {
		t.Error("an empty typ")
	}
}
