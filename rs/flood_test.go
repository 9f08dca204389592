package rs_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/countersign/countersign/internal/badtoken"
	"github.com/countersign/countersign/internal/optest"
	"github.com/countersign/countersign/rs"
)

// TestFlood: bad tokens cause at most three requests to the server. A key that is rotated in during
// the flood is accepted, with a cache and without. JWKS-05.
func TestFlood(t *testing.T) {
	for name, wrap := range map[string]func(rs.Verifier) rs.Verifier{
		"plain":  func(v rs.Verifier) rs.Verifier { return v },
		"cached": func(v rs.Verifier) rs.Verifier { return &rs.Cache{Tokens: v} },
	} {
		s := optest.New(t)
		v := wrap(jwtVerifier(s))
		good := s.AccessToken(nil, nil)
		if _, err := v.VerifyToken(t.Context(), good); err != nil {
			t.Fatal(err)
		}
		before := s.Hits("/jwks")
		impostor := optest.NewKey("x", "RS256")
		impostor.ID = "k1"
		flood := func(i int) {
			for _, token := range []string{
				s.AccessToken(nil, m{"kid": fmt.Sprint("unknown-", i)}), good[:len(good)-20] + "AAAAAAAAAAAAAAAAAAAA",
				impostor.Sign(m{"iss": s.URL, "aud": optest.Audience, "sub": "x", "client_id": "x", "jti": "x", "iat": time.Now().Unix(), "exp": time.Now().Unix() + 60}, m{"typ": "at+jwt", "kid": nil}),
			} {
				if _, err := v.VerifyToken(t.Context(), token); err == nil {
					t.Errorf("%s: accepted", name)
				}
			}
		}
		flood(0)
		s.Rotate(s.Keys[0], optest.NewKey("k2", "RS256"))
		rotated := s.Keys[1].Sign(m{
			"iss": s.URL, "aud": optest.Audience, "sub": "alice", "client_id": "rp", "jti": "1", "iat": time.Now().Unix(), "exp": time.Now().Unix() + 60,
		}, m{"typ": "at+jwt"})
		if _, err := v.VerifyToken(t.Context(), rotated); err != nil {
			t.Errorf("%s: a key rotated in during the flood: %v", name, err)
		}
		for i := range 100 {
			flood(i + 1)
		}
		if n := s.Hits("/jwks") - before; n > 3 {
			t.Errorf("%s: %d fetches", name, n)
		}
		if _, err := v.VerifyToken(t.Context(), good); err != nil {
			t.Errorf("%s: the good token: %v", name, err)
		}
	}
}

// TestBadTokensBehind checks the list with the verifiers that wrap others.
func TestBadTokensBehind(t *testing.T) {
	const issuer = "https://as.example"
	k := optest.NewKey("k1", "RS256")
	now := time.Now().Unix()
	b := badtoken.Base{Key: k, Header: m{"typ": "at+jwt"}, Foreign: "http://127.0.0.1:1", Claims: m{
		"iss": issuer, "sub": "alice", "aud": optest.Audience, "client_id": "rp", "jti": "1", "iat": now, "exp": now + 300,
	}}
	j := &rs.JWT{Issuer: issuer, Audience: optest.Audience, Keys: static(t, k, nil)}
	inactive := "{\"active\":false}"
	i := &rs.Introspection{URL: "https://as.example/i", Issuer: issuer, Audience: "x", Auth: noAuth{}, HTTP: httpOf(&inactive)}
	for name, v := range map[string]rs.Verifier{
		"issuers": rs.Issuers{{Issuer: "https://other.example", Audience: "x", Keys: j.Keys}, j}, "cache": &rs.Cache{Tokens: j}, "either": &rs.JWTOrOpaque{JWT: j, Opaque: i},
	} {
		p := withDPoP(v, &rs.DPoP{})
		t.Run(name, func(t *testing.T) {
			badtoken.Run(t, b, true, func(ctx context.Context, raw string) error { return checkRaw(ctx, p, raw) })
		})
	}
}
