package ssf_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/countersign/countersign/discovery"
	"github.com/countersign/countersign/idtoken"
	"github.com/countersign/countersign/internal/optest"
	"github.com/countersign/countersign/rs"
	"github.com/countersign/countersign/rs/ssf"
)

// TestVerify: the rules for a Security Event Token, and the error code for each violation.
// SSF-01.
func TestVerify(t *testing.T) {
	f := newFixture(t)
	now := f.clock.Unix()
	typ := func(v any) map[string]any { return map[string]any{"typ": v} }
	for _, test := range []struct {
		name string
		set  string
		code string
	}{
		{"good", f.set(), ""},
		{"typ as a media type", f.key.Sign(f.claims(), typ("application/SecEvent+JWT")), ""},
		{"several audiences", f.set(with("aud", []string{"x", audience})), ""},
		{"an old event", f.set(with("iat", now-29*24*3600)), ""},
		{"txn and other claims", f.set(with("txn", 8675309), with("x", []any{1})), ""},
		{"no typ", f.key.Sign(f.claims(), typ(nil)), ssf.InvalidRequest},
		{"typ JWT", f.key.Sign(f.claims(), typ("JWT")), ssf.InvalidRequest},
		{"typ at+jwt", f.key.Sign(f.claims(), typ("at+jwt")), ssf.InvalidRequest},
		{"typ logout+jwt", f.key.Sign(f.claims(), typ("logout+jwt")), ssf.InvalidRequest},
		{"not a JWT", "e30", ssf.InvalidRequest},
		{"empty", "", ssf.InvalidRequest},
		{"a line break", f.set() + "\n", ssf.InvalidRequest},
		{"another issuer", f.set(with("iss", otherIssuer)), ssf.InvalidIssuer},
		{"no issuer", f.set(with("iss", nil)), ssf.InvalidIssuer},
		{"issuer with a slash", f.set(with("iss", f.issuer()+"/")), ssf.InvalidIssuer},
		{"another audience", f.set(with("aud", "https://other.example")), ssf.InvalidAudience},
		{"no audience", f.set(with("aud", nil)), ssf.InvalidAudience},
		{"empty audience", f.set(with("aud", []string{})), ssf.InvalidAudience},
		{"no jti", f.set(with("jti", nil)), ssf.InvalidRequest},
		{"empty jti", f.set(with("jti", "")), ssf.InvalidRequest},
		{"no iat", f.set(with("iat", nil)), ssf.InvalidRequest},
		{"iat as a string", f.set(with("iat", fmt.Sprint(now))), ssf.InvalidRequest},
		{"iat in the future", f.set(with("iat", now+60)), ssf.InvalidRequest},
		{"too old", f.set(with("iat", now-31*24*3600)), ssf.InvalidRequest},
		{"exp", f.set(with("exp", now+60)), ssf.InvalidRequest},
		{"sub", f.set(with("sub", "alice")), ssf.InvalidRequest},
		{"nonce", f.set(with("nonce", "n")), ssf.InvalidRequest},
		{"no events", f.set(with("events", nil)), ssf.InvalidRequest},
		{"empty events", f.set(with("events", map[string]any{})), ssf.InvalidRequest},
		{"events as a list", f.set(with("events", []string{ssf.SessionRevoked})), ssf.InvalidRequest},
		{"an event that is null", f.set(with("events", map[string]any{ssf.SessionRevoked: nil})), ssf.InvalidRequest},
		{"no subject", f.set(with("sub_id", nil)), ssf.InvalidRequest},
		{"event_timestamp as a string", f.set(event(ssf.SessionRevoked, map[string]any{"event_timestamp": "1"})), ssf.InvalidRequest},
		{"a forged signature", forged(f.set()), ssf.InvalidKey},
		{"another key of the same kid", optest.NewKey("other", "RS256").Sign(f.claims(), map[string]any{"typ": "secevent+jwt", "kid": "k1"}), ssf.InvalidKey},
		{"an unknown kid", optest.NewKey("k9", "RS256").Sign(f.claims(), typ("secevent+jwt")), ssf.InvalidKey},
		{"another algorithm", optest.NewKey("k1", "ES256").Sign(f.claims(), typ("secevent+jwt")), ssf.InvalidKey},
		{"HMAC", optest.NewKey("k1", "HS256").Sign(f.claims(), typ("secevent+jwt")), ssf.InvalidKey},
		{"alg none", optest.B64([]byte(`{"alg":"none","typ":"secevent+jwt"}`)) + "." + optest.B64([]byte(`{}`)) + ".", ssf.InvalidRequest},
		{"duplicate claims", f.key.SignRaw([]byte(`{"alg":"RS256","kid":"k1","typ":"secevent+jwt"}`), []byte(`{"iss":"a","iss":"b"}`)), ssf.InvalidRequest},
	} {
		t.Run(test.name, func(t *testing.T) {
			events, err := f.Verify(t.Context(), test.set)
			if got := code(err); got != test.code {
				t.Fatalf("%q (%v), want %q", got, err, test.code)
			}
			if err == nil && (len(events) != 1 || events[0].Subject.Sub != accountOf) || err != nil && events != nil {
				t.Errorf("events %v", events)
			}
		})
	}
}

// TestEventTime: what began after the event continues, whatever time the token contains. SSF-02.
func TestEventTime(t *testing.T) {
	f := newFixture(t)
	iat := f.clock.Unix()
	for name, test := range map[string]struct {
		set  string
		want int64
	}{
		"event_timestamp":           {f.set(), iat - 10},
		"toe":                       {f.set(event(ssf.SessionRevoked, nil), with("toe", iat-20)), iat - 20},
		"iat":                       {f.set(event(ssf.SessionRevoked, nil)), iat},
		"event_timestamp after iat": {f.set(event(ssf.SessionRevoked, map[string]any{"event_timestamp": iat + 1000})), iat},
		"milliseconds":              {f.set(event(ssf.SessionRevoked, map[string]any{"event_timestamp": iat * 1000})), iat},
	} {
		events, err := f.Verify(t.Context(), test.set)
		if err != nil || events[0].Time.Unix() != test.want {
			t.Errorf("%s: %v, %v", name, events, err)
		}
	}
}

// TestOtherKinds: a JWT of one kind is not accepted as another. SSF-03.
func TestOtherKinds(t *testing.T) {
	f := newFixture(t)
	now := f.clock.Unix()
	logout := map[string]any{
		"iss": f.issuer(), "aud": audience, "jti": "l1", "iat": now, "exp": now + 60, "sub": "alice",
		"events": map[string]any{"http://schemas.openid.net/event/backchannel-logout": map[string]any{}},
	}
	id := map[string]any{"iss": f.issuer(), "aud": audience, "iat": now, "exp": now + 60, "sub": "alice"}
	for name, raw := range map[string]string{
		"a logout token":                   f.key.Sign(logout, map[string]any{"typ": "logout+jwt"}),
		"a logout token with typ of a SET": f.key.Sign(logout, map[string]any{"typ": "secevent+jwt"}),
		"an ID token":                      f.key.Sign(id, nil),
		"an ID token with typ of a SET":    f.key.Sign(id, map[string]any{"typ": "secevent+jwt"}),
	} {
		if err := f.Apply(t.Context(), raw); code(err) != ssf.InvalidRequest {
			t.Errorf("%s as a SET: %v", name, err)
		}
	}
	keys, err := discovery.StaticKeys(optest.JWKS(f.key))
	if err != nil {
		t.Fatal(err)
	}
	// A token with all members of the other kinds, without the claim or typ that distinguishes them.
	all := f.claims(with("exp", now+60), with("sub", "alice"), with("client_id", "c"), with("scope", "x"), func(c map[string]any) {
		c["events"].(map[string]any)["http://schemas.openid.net/event/backchannel-logout"] = map[string]any{}
	})
	v := &idtoken.Verifier{Issuer: f.issuer(), ClientID: audience, Keys: keys}
	api := &rs.JWT{Issuer: f.issuer(), Audience: audience, Keys: keys}
	lax := &rs.JWT{Issuer: f.issuer(), Audience: audience, Keys: keys, Typ: "JWT", Claims: map[string]string{"scope": "x"}}
	set := f.key.Sign(all, map[string]any{"typ": "secevent+jwt"})
	if _, err := v.Verify(t.Context(), set, idtoken.Expected{}); err == nil {
		t.Error("a SET as an ID token: accepted")
	}
	if _, err := v.VerifyLogout(t.Context(), set); err == nil {
		t.Error("a SET as a logout token: accepted")
	}
	if _, err := api.VerifyToken(t.Context(), set); err == nil {
		t.Error("a SET as an access token: accepted")
	}
	if _, err := lax.VerifyToken(t.Context(), f.key.Sign(all, nil)); err == nil {
		t.Error("a SET without its typ as an access token: accepted")
	}
	delete(all, "events")
	if _, err := lax.VerifyToken(t.Context(), f.key.Sign(all, nil)); err != nil {
		t.Errorf("the access token: %v", err)
	}
}

// TestConfigured: the error contains the missing setting of a Receiver. SSF-04.
func TestConfigured(t *testing.T) {
	for _, test := range []struct {
		edit  func(*ssf.Receiver)
		wrong string
	}{
		{func(r *ssf.Receiver) {}, ""},
		{func(r *ssf.Receiver) { r.Issuer = "" }, "Receiver.Issuer"},
		{func(r *ssf.Receiver) { r.Audience = "" }, "Receiver.Audience"},
		{func(r *ssf.Receiver) { r.Effects = nil }, "Receiver.Effects"},
		{func(r *ssf.Receiver) { r.Effects = []ssf.Effect{nil} }, "Receiver.Effects"},
		{func(r *ssf.Receiver) { r.Skew = time.Hour }, "Receiver.Skew"},
		{func(r *ssf.Receiver) { r.MaxAge = -1 }, "Receiver.MaxAge"},
		{func(r *ssf.Receiver) { r.Interval = 1 }, "Receiver.Interval"},
		{func(r *ssf.Receiver) { r.MaxEvents = 1001 }, "Receiver.MaxEvents"},
		{func(r *ssf.Receiver) { r.Algs = []string{"none"} }, "Receiver.Algs"},
	} {
		f := newFixture(t)
		set := f.set()
		test.edit(f.Receiver)
		err := f.Apply(t.Context(), set)
		if test.wrong == "" {
			if err != nil || f.Ready(t.Context()) != nil {
				t.Errorf("a good configuration: %v, %v", err, f.Ready(t.Context()))
			}
			continue
		}
		for _, err := range []error{err, f.Ready(t.Context())} {
			if err == nil || !strings.Contains(err.Error(), test.wrong) {
				t.Errorf("%v, want %s", err, test.wrong)
			}
		}
	}
}

// TestPrints: no verb prints a secret. LOG-01.
func TestPrints(t *testing.T) {
	f := newFixture(t)
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%d"} {
		if text := fmt.Sprintf(verb, f.Receiver); strings.Contains(text, "canary") {
			t.Errorf("%s prints a secret", verb)
		}
	}
	f.Token = func(context.Context) (string, error) { return "canary-other token", nil }
	_, err := f.Streams(t.Context())
	if err == nil || strings.Contains(err.Error(), "canary") || !strings.Contains(err.Error(), "Receiver.Token") {
		t.Errorf("%v", err)
	}
}

// forged changes the first character of the signature.
func forged(set string) string {
	dot := strings.LastIndex(set, ".") + 1
	other := "A"
	if set[dot] == 'A' {
		other = "B"
	}
	return set[:dot] + other + set[dot+1:]
}

// TestTenEvents: a token has at most ten events (SSF 1.0 §4.2.1). SSF-01.
func TestTenEvents(t *testing.T) {
	f := newFixture(t)
	for n, want := range map[int]string{10: "", 11: ssf.InvalidRequest} {
		events := map[string]any{}
		for i := range n {
			events[fmt.Sprint("https://events.example/", i)] = map[string]any{}
		}
		if _, err := f.Verify(t.Context(), f.set(with("events", events))); code(err) != want {
			t.Errorf("%d events: %v", n, err)
		}
	}
}
