package idtoken_test

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/countersign/countersign/idtoken"
	"github.com/countersign/countersign/internal/optest"
)

// TestRefreshed compares the ID token of a refresh with that of the login. TOK-19.
func TestRefreshed(t *testing.T) {
	first := goodClaims()
	for name, value := range (m{"nonce": "n", "auth_time": clock.Unix() - 60, "azp": clientID}) {
		first[name] = value
	}
	original, err := verifier(t).Verify(t.Context(), key.Sign(first, nil), idtoken.Expected{Nonce: "n"})
	if err != nil {
		t.Fatal(err)
	}
	want := idtoken.Expected{Original: original.Original()}
	same := m{"azp": clientID, "auth_time": clock.Unix() - 60}
	with := func(more m) m {
		out := m{}
		for _, part := range []m{same, more} {
			for name, value := range part {
				out[name] = value
			}
		}
		return out
	}
	trusted := func(v *idtoken.Verifier) { v.TrustedAudiences = []string{"other"} }
	for _, c := range []case_{
		{name: "same, without nonce", claims: same, want: want},
		{name: "same, with the nonce", claims: with(m{"nonce": "n"}), want: want},
		{name: "later", claims: with(m{"iat": clock.Unix() + 10}), want: want},
		{name: "without auth_time", claims: with(m{"auth_time": nil}), want: want},
		{name: "another nonce", claims: with(m{"nonce": "o"}), want: want, step: 11},
		{name: "another sub", claims: with(m{"sub": "mallory"}), want: want, step: 2},
		{name: "another iss", claims: with(m{"iss": "https://other.example"}), want: want, step: 2},
		{name: "an aud that is gone", claims: same, want: idtoken.Expected{Original: &idtoken.Original{Issuer: issuer, Subject: "alice", Audience: []string{clientID, "other"}, AuthorizedParty: clientID}}, edit: trusted, step: 3},
		{name: "an empty original", claims: same, want: idtoken.Expected{Original: &idtoken.Original{}}, step: 2},
		{name: "no azp", claims: m{}, want: want, step: 5},
		{name: "earlier within the skew", claims: with(m{"iat": clock.Unix() - 30}), want: want},
		{name: "earlier", claims: with(m{"iat": clock.Unix() - 31}), want: want, step: 10},
		{name: "another auth_time", claims: with(m{"auth_time": clock.Unix() - 59}), want: want, step: 13},
	} {
		t.Run(c.name, c.run)
	}
}

const logoutEvent = "http://schemas.openid.net/event/backchannel-logout"

// logoutCase is a logout token that differs from a good one.
type logoutCase struct {
	name   string
	claims m
	header m
	ok     bool
}

// TestVerifyLogout. LO-01.
func TestVerifyLogout(t *testing.T) {
	v := verifier(t)
	for _, c := range []logoutCase{
		{name: "good", ok: true},
		{name: "of a session", claims: m{"sub": nil, "sid": "s1"}, ok: true},
		{name: "without typ", header: m{"typ": nil}, ok: true},
		{name: "LO-01 typ JWT", header: m{"typ": "JWT"}},
		{name: "an access token's typ", header: m{"typ": "at+jwt"}},
		{name: "with a nonce", claims: m{"nonce": "n"}},
		{name: "LO-01 with a nonce that is null", claims: m{"nonce": json.RawMessage("null")}},
		{name: "without events", claims: m{"events": nil}},
		{name: "with other events", claims: m{"events": m{"x": m{}}}},
		{name: "with an event that is no object", claims: m{"events": m{logoutEvent: true}}},
		{name: "with an event that is null", claims: m{"events": m{logoutEvent: nil}}},
		{name: "with events that are an array", claims: m{"events": []string{logoutEvent}}},
		{name: "of nobody", claims: m{"sub": nil}},
		{name: "without jti", claims: m{"jti": nil}},
		{name: "without iat", claims: m{"iat": nil}},
		{name: "without exp", claims: m{"exp": nil}},
		{name: "stale", claims: m{"iat": clock.Unix() - 700}},
		{name: "expired", claims: m{"exp": clock.Unix() - 31}},
		{name: "of another issuer", claims: m{"iss": "https://evil.example"}},
		{name: "for another client", claims: m{"aud": "other"}},
		{name: "with alg none", header: m{"alg": "none"}},
		{name: "under an unknown key", header: m{"kid": "k2"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			raw := c.token(t.Name())
			got, err := v.VerifyLogout(t.Context(), raw)
			if (err == nil) != c.ok || (got != nil) != c.ok {
				t.Fatalf("got %v, %v", got, err)
			}
			if _, again := v.VerifyLogout(t.Context(), raw); again == nil {
				t.Error("taken a second time")
			}
			if c.ok {
				if _, err := v.Verify(t.Context(), raw, idtoken.Expected{}); err == nil {
					t.Error("taken for an ID token")
				}
			}
		})
	}
	if _, err := v.VerifyLogout(t.Context(), key.Sign(goodClaims(), nil)); err == nil {
		t.Error("an ID token was taken for a logout token")
	}
}

func (c logoutCase) token(id string) string {
	claims := goodClaims()
	claims["jti"], claims["events"] = id, m{logoutEvent: m{}}
	for name, value := range c.claims {
		claims[name] = value
		if value == nil {
			delete(claims, name)
		}
	}
	header := m{"typ": "logout+jwt"}
	for name, value := range c.header {
		header[name] = value
	}
	return key.Sign(claims, header)
}

// replay is a shared store that a test controls.
type replay func(key string) (bool, error)

func (r replay) Once(_ context.Context, key string, _ time.Time) (bool, error) { return r(key) }

// TestLogoutReplayStore: if the store does not answer, logout tokens are rejected.
func TestLogoutReplayStore(t *testing.T) {
	v := verifier(t)
	var asked string
	v.Replay = replay(func(key string) (bool, error) { asked = key; return true, nil })
	raw := logoutCase{}.token("one")
	if _, err := v.VerifyLogout(t.Context(), raw); err != nil || !strings.HasPrefix(asked, "logout:") || len(asked) != 50 {
		t.Errorf("asked for %q: %v", asked, err)
	}
	v.Replay = replay(func(string) (bool, error) { return false, nil })
	if _, err := v.VerifyLogout(t.Context(), raw); !errors.Is(err, idtoken.ErrReplayed) {
		t.Errorf("a second time: %v", err)
	}
	down := errors.New("down")
	v.Replay = replay(func(string) (bool, error) { return true, down })
	_, err := v.VerifyLogout(t.Context(), raw)
	var temporary interface{ Temporary() bool }
	if !errors.Is(err, down) || !errors.As(err, &temporary) || !temporary.Temporary() {
		t.Errorf("got %v", err)
	}
	asked = ""
	v.Replay = replay(func(key string) (bool, error) { asked = key; return true, nil })
	forged := optest.NewKey("k1", "ES256").Sign(goodClaims(), nil)
	if _, err := v.VerifyLogout(t.Context(), forged); err == nil || asked != "" {
		t.Error("the store was asked about a forged token")
	}
}

// TestVerifyDraftLogout: LO-01, for servers that omit exp, or use another typ.
func TestVerifyDraftLogout(t *testing.T) {
	v := verifier(t)
	v.InsecureDraftLogout = true
	for _, c := range []logoutCase{
		{name: "with exp", ok: true},
		{name: "without", claims: m{"exp": nil}, ok: true},
		{name: "typ JWT", header: m{"typ": "JWT"}, ok: true},
		{name: "an access token's typ", header: m{"typ": "at+jwt"}},
		{name: "expired", claims: m{"exp": clock.Unix() - 31}},
		{name: "stale", claims: m{"exp": nil, "iat": clock.Unix() - 700}},
		{name: "without iat", claims: m{"exp": nil, "iat": nil}},
	} {
		t.Run(c.name, func(t *testing.T) {
			raw := c.token(t.Name())
			if _, err := v.VerifyLogout(t.Context(), raw); (err == nil) != c.ok {
				t.Error(err)
			}
			if _, again := v.VerifyLogout(t.Context(), raw); again == nil {
				t.Error("taken a second time")
			}
		})
	}
	claims := goodClaims()
	delete(claims, "exp")
	if _, err := v.Verify(t.Context(), key.Sign(claims, nil), idtoken.Expected{}); err == nil {
		t.Error("an ID token without exp was taken")
	}
}
