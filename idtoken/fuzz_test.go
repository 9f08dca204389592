package idtoken_test

import (
	"crypto/rsa"
	"encoding/json"
	"strings"
	"testing"
	"time"

	gojose "github.com/go-jose/go-jose/v4"
	"github.com/lestrrat-go/jwx/v3/jwa"
	"github.com/lestrrat-go/jwx/v3/jws"

	"github.com/countersign/countersign/idtoken"
	"github.com/countersign/countersign/internal/badtoken"
	"github.com/countersign/countersign/internal/optest"
)

// FuzzClaims signs any claims, and compares an accepted token with encoding/json: the subject is
// the one in the token.
func FuzzClaims(f *testing.F) {
	f.Add([]byte(mustJSON(f, goodClaims())))
	for _, s := range []string{`{"iss":"https://as.example","sub":"alice","aud":["rp"],"exp":1900000300.5,"iat":1.9e9}`, `{"iss":"https://as.example","sub":"alice","Sub":"admin","aud":"rp","exp":1900000300,"iat":1900000000}`} {
		f.Add([]byte(s))
	}
	hs := optest.NewKey("k1", "HS256") // the fastest to sign with
	v := verifier(f)
	v.Algs, v.Keys = []string{"HS256"}, idtoken.SecretKeys(string(hs.Secret))
	f.Fuzz(func(t *testing.T, claims []byte) {
		token, report := v.Check(t.Context(), hs.SignRaw([]byte(`{"alg":"HS256","kid":"k1"}`), claims), idtoken.Expected{})
		if token == nil {
			if err := report.Err(); err == nil || len(err.Error()) > 1024 {
				t.Errorf("no token, and error %v", err)
			}
			return
		}
		var all map[string]any
		if err := json.Unmarshal(claims, &all); err != nil {
			t.Fatalf("encoding/json refuses %q: %v", claims, err)
		}
		if all["sub"] != token.Subject || all["iss"] != issuer || token.Subject == "" {
			t.Errorf("%q names another user than %q", claims, token.Subject)
		}
		if exp, _ := all["exp"].(float64); time.Unix(int64(exp), 0).Before(clock.Add(-31 * time.Second)) {
			t.Errorf("%q has expired", claims)
		}
	})
}

// FuzzCheck runs all 14 steps with any text. go-jose and jwx must accept an accepted token too,
// including crit.
func FuzzCheck(f *testing.F) {
	base := badtoken.Base{Key: key, Foreign: "https://evil.example", Claims: m{"iss": issuer, "sub": "alice", "aud": clientID, "exp": clock.Unix() + 300, "iat": clock.Unix()}}
	f.Add(base.Good())
	f.Add(sample)
	for _, c := range badtoken.Cases(base) {
		if len(c.Token) < 4<<10 {
			f.Add(c.Token)
		}
	}
	v := verifier(f)
	public := key.Private.Public().(*rsa.PublicKey)
	f.Fuzz(func(t *testing.T, raw string) {
		token, report := v.Check(t.Context(), raw, idtoken.Expected{})
		if token == nil {
			if err := report.Err(); err == nil || len(err.Error()) > 1024 || len(raw) > 200 && strings.Contains(err.Error(), raw[:200]) {
				t.Errorf("no token, and error %v", err)
			}
			return
		}
		parsed, err := gojose.ParseSignedCompact(raw, []gojose.SignatureAlgorithm{"RS256"})
		if err != nil {
			t.Fatalf("go-jose refuses %q: %v", raw, err)
		}
		if _, err := parsed.Verify(public); err != nil {
			t.Errorf("go-jose refuses %q: %v", raw, err)
		}
		if _, err := jws.Verify([]byte(raw), jws.WithKey(jwa.RS256(), public), jws.WithCritValidation(true)); err != nil {
			t.Errorf("jwx refuses %q: %v", raw, err)
		}
	})
}
