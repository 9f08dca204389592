package ssf

import (
	"testing"
	"time"

	"github.com/countersign/countersign/internal/jose"
)

// FuzzSET: an accepted token is of this issuer, has an id, and its event happened before the
// token was issued.
func FuzzSET(f *testing.F) {
	f.Add([]byte(`{"iss":"https://t.example","aud":"r","jti":"1","iat":1700000000,"sub_id":{"format":"opaque","id":"x"},"events":{"` + SessionRevoked + `":{"event_timestamp":1}}}`))
	f.Add([]byte(`{"iss":"https://t.example","aud":["r"],"jti":"1","iat":1700000000,"events":{"x":{},"y":{"subject":{}}}}`))
	r := &Receiver{Issuer: "https://t.example", Audience: "r", Effects: []Effect{EffectFunc(nil)}, Now: func() time.Time { return time.Unix(1700000001, 0) }}
	f.Fuzz(func(t *testing.T, payload []byte) {
		var c setClaims
		if jose.Decode(payload, &c, jose.TokenLimits) != nil || r.checkClaims(&c) != nil {
			return
		}
		events, err := c.events()
		if err != nil {
			return
		}
		for _, e := range events {
			if e.Issuer != r.Issuer || e.ID == "" || e.Type == "" || e.IssuedAt.IsZero() || e.Time.After(e.IssuedAt) {
				t.Errorf("%+v", e)
			}
			if e.ends() && e.Subject.Format == "" {
				t.Error("an event that ends access, about nobody")
			}
			if _, err := r.targets(t.Context(), e); err != nil {
				t.Error(err)
			}
		}
	})
}

// FuzzSubject: an accepted subject has the members that its format requires.
func FuzzSubject(f *testing.F) {
	for _, s := range []string{
		`{"format":"iss_sub","iss":"a","sub":"b"}`, `{"format":"aliases","identifiers":[{"format":"email","email":"a@b"}]}`,
		`{"format":"complex","user":{"format":"opaque","id":"x"},"session":{"format":"opaque","id":"ALL"}}`, `{"format":"jwt_id","iss":"a","jti":"b"}`,
	} {
		f.Add([]byte(s))
	}
	r := &Receiver{Issuer: "https://t.example"}
	f.Fuzz(func(t *testing.T, raw []byte) {
		s, err := parseSubject(raw, true)
		if err != nil {
			return
		}
		all, err := r.targets(t.Context(), Event{Type: SessionRevoked, Subject: s})
		if err != nil || len(all) > maxAliases+1 {
			t.Fatal(all, err)
		}
		for _, x := range all {
			if x.issuer == "" || x.subject == "" && x.session == "" && x.token == "" || x.session == allSessions {
				t.Errorf("%q gives %+v", raw, x)
			}
		}
	})
}

// FuzzStream: an accepted stream configuration is of this issuer.
func FuzzStream(f *testing.F) {
	f.Add([]byte(`[{"stream_id":"1","iss":"https://t.example","aud":["a"],"delivery":{"method":"urn:ietf:rfc:8936","endpoint_url":"https://x/"}}]`))
	f.Add([]byte(`{"stream_id":"1","iss":"https://t.example","aud":"a","min_verification_interval":1e400}`))
	r := &Receiver{Issuer: "https://t.example"}
	f.Fuzz(func(t *testing.T, body []byte) {
		all, err := r.parseStreams(body)
		if err != nil {
			return
		}
		for _, s := range all {
			if s.ID == "" || s.Issuer != r.Issuer || s.MinVerification < 0 || s.Inactivity < 0 {
				t.Errorf("%+v", s)
			}
		}
	})
}
