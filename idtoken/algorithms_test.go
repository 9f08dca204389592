package idtoken_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/countersign/countersign/idtoken"
	"github.com/countersign/countersign/internal/optest"
)

// TestSkipSignature: InsecureSkipSignature skips the signature, and only for an ID token of the
// token endpoint. TOK-22.
func TestSkipSignature(t *testing.T) {
	v := verifier(t)
	v.InsecureSkipSignature = true
	raw := optest.NewKey("k1", "ES256").SignRaw([]byte(`{"alg":"RS256","kid":"k1"}`), []byte(mustJSON(t, goodClaims())))
	_, report := v.Check(t.Context(), raw, idtoken.Expected{FromTokenEndpoint: true})
	if report.Err() != nil {
		t.Fatal(report.Err())
	}
	for _, n := range []int{6, 8} {
		if s := report.Steps[n-1]; s.Result != idtoken.Skipped || !strings.Contains(s.Reason, "InsecureSkipSignature") {
			t.Errorf("step %d: %+v", n, s)
		}
	}
	for name, want := range map[string]idtoken.Expected{
		"of unknown origin":   {},
		"through the browser": {FromTokenEndpoint: true, FrontChannel: true, Nonce: "n"},
	} {
		if _, err := v.Verify(t.Context(), raw, want); err == nil {
			t.Errorf("a token %s needs no signature", name)
		}
	}
}

// TestAlgorithms verifies each algorithm with a key set that has the same kid for all. JWKS-04,
// TOK-04.
func TestAlgorithms(t *testing.T) {
	var keys []optest.Key
	for _, alg := range []string{"RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA", "Ed25519"} {
		keys = append(keys, optest.NewKey("same", alg))
	}
	v := verifier(t)
	v.Keys = keySet(t, keys...)
	for _, k := range keys {
		v.Algs = []string{k.Alg}
		claims := goodClaims()
		claims["at_hash"] = optest.LeftHalf(k.Alg, "at")
		raw := k.Sign(claims, nil)
		if _, err := v.Verify(t.Context(), raw, idtoken.Expected{AccessToken: "at"}); err != nil {
			t.Errorf("%s: %v", k.Alg, err)
		}
		broken := raw[:len(raw)-5] + flip(raw[len(raw)-5]) + raw[len(raw)-4:]
		if _, err := v.Verify(t.Context(), broken, idtoken.Expected{AccessToken: "at"}); err == nil {
			t.Errorf("%s: a broken signature was accepted", k.Alg)
		}
	}
}

// TestSecretKeys: HMAC with the client secret is accepted only if it is configured and the secret
// is long.
func TestSecretKeys(t *testing.T) {
	hs := optest.NewKey("any", "HS256")
	v := verifier(t)
	raw := hs.Sign(goodClaims(), nil)
	if _, err := v.Verify(t.Context(), raw, idtoken.Expected{}); err == nil || !strings.Contains(err.Error(), "Config.IDTokenKeys to idtoken.SecretKeys") {
		t.Errorf("the error does not name the settings: %v", err)
	}
	v.Algs, v.Keys = []string{"HS256"}, idtoken.SecretKeys(string(hs.Secret))
	if _, err := v.Verify(t.Context(), raw, idtoken.Expected{}); err != nil {
		t.Error(err)
	}
	v.Keys = idtoken.SecretKeys("another secret that is long enough")
	if _, err := v.Verify(t.Context(), raw, idtoken.Expected{}); err == nil {
		t.Error("another secret verifies")
	}
	short := optest.Key{ID: "k", Alg: "HS256", Secret: []byte("short")}
	v.Keys = idtoken.SecretKeys("short")
	if _, err := v.Verify(t.Context(), short.Sign(goodClaims(), nil), idtoken.Expected{}); err == nil {
		t.Error("a secret shorter than the hash verifies")
	}
}

// TestFlag reads booleans as Cognito and Apple write them.
func TestFlag(t *testing.T) {
	for raw, want := range map[string]struct{ value, ok bool }{
		"true": {true, true}, `"true"`: {true, true}, "false": {false, true}, `"false"`: {false, true}, "null": {false, true},
		`"TRUE"`: {}, "1": {}, `"yes"`: {}, `""`: {}, "[]": {}, `" true"`: {},
	} {
		claims := goodClaims()
		claims["email_verified"] = json.RawMessage(raw)
		token, err := verifier(t).Verify(t.Context(), key.Sign(claims, nil), idtoken.Expected{})
		if err != nil {
			t.Fatal(err)
		}
		var c struct {
			Verified idtoken.BooleanClaim `json:"email_verified"`
		}
		if err := token.Claims(&c); (err == nil) != want.ok || want.ok && bool(c.Verified) != want.value {
			t.Errorf("%s: %v, %v", raw, c.Verified, err)
		}
	}
}
