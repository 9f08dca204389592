package idtoken_test

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"math/big"
	"strings"
	"testing"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"

	"github.com/countersign/countersign/idtoken"
	"github.com/countersign/countersign/internal/optest"
)

// bare checks the signature with the standard library and does nothing else.
func bare(k optest.Key, raw string) bool {
	cut := strings.LastIndexByte(raw, '.')
	sig, _ := base64.RawURLEncoding.DecodeString(raw[cut+1:])
	digest := sha256.Sum256([]byte(raw[:cut]))
	switch p := k.Private.Public().(type) {
	case *rsa.PublicKey:
		if k.Alg == "PS256" {
			return rsa.VerifyPSS(p, crypto.SHA256, digest[:], sig, nil) == nil
		}
		return rsa.VerifyPKCS1v15(p, crypto.SHA256, digest[:], sig) == nil
	case *ecdsa.PublicKey:
		return ecdsa.Verify(p, digest[:], new(big.Int).SetBytes(sig[:32]), new(big.Int).SetBytes(sig[32:]))
	case ed25519.PublicKey:
		return ed25519.Verify(p, []byte(raw[:cut]), sig)
	}
	return false
}

// turn is how many calls of one kind are made before the next kind. So a machine whose speed
// changes slows all kinds.
const turn = 50

// compare alternates the calls, and reports the first one's time as a multiple of each other
// one's.
func compare(b *testing.B, names []string, calls ...func()) {
	spent := make([]time.Duration, len(calls))
	for b.Loop() {
		for i, call := range calls {
			start := time.Now()
			for range turn {
				call()
			}
			spent[i] += time.Since(start)
		}
	}
	b.ReportMetric(0, "ns/op") // the value of one round is noise
	for i, name := range names {
		b.ReportMetric(float64(spent[0])/float64(spent[i+1]), "x-"+name)
	}
	b.ReportMetric(float64(spent[0].Nanoseconds())/float64(b.N*turn), "ns/check")
}

func claimsForBench() map[string]any {
	claims := goodClaims()
	for name, value := range (m{"nonce": "n-0S6_WzA2Mj", "auth_time": clock.Unix() - 60, "acr": "urn:gold", "azp": clientID, "sid": "08a5019c-17e1-4977-8f42-65a12843ea02",
		"at_hash": "", "email": "alice@example.com", "name": "Alice Example", "amr": []string{"pwd", "otp"}}) {
		claims[name] = value
	}
	return claims
}

// BenchmarkVerify compares Verify, with its report and go-oidc's check, with the bare signature
// and with go-oidc's own Verify.
func BenchmarkVerify(b *testing.B) {
	for _, alg := range []string{"RS256", "PS256", "ES256", "EdDSA"} {
		b.Run(alg, func(b *testing.B) {
			k := optest.NewKey("k1", alg)
			claims := claimsForBench()
			claims["at_hash"] = optest.LeftHalf(alg, "access-token")
			raw := k.Sign(claims, nil)
			ctx := context.Background()
			ours := &idtoken.Verifier{Issuer: issuer, ClientID: clientID, Keys: keySet(b, k), Algs: []string{alg}, Now: func() time.Time { return clock }}
			want := idtoken.Expected{Nonce: "n-0S6_WzA2Mj", AccessToken: "access-token"}
			theirs := oidc.NewVerifier(issuer, &oidc.StaticKeySet{PublicKeys: []crypto.PublicKey{k.Private.Public()}},
				&oidc.Config{ClientID: clientID, SupportedSigningAlgs: []string{alg}, Now: func() time.Time { return clock }})
			compare(b, []string{"bare", "go-oidc"},
				func() {
					if _, err := ours.Verify(ctx, raw, want); err != nil {
						b.Fatal(err)
					}
				},
				func() {
					if !bare(k, raw) {
						b.Fatal("bare")
					}
				},
				func() {
					if _, err := theirs.Verify(ctx, raw); err != nil {
						b.Fatal(err)
					}
				})
		})
	}
}

// BenchmarkReport measures the report: making it for every check, printing it, logging it and
// encoding it.
func BenchmarkReport(b *testing.B) {
	v := verifier(b)
	_, report := v.Check(context.Background(), key.Sign(goodClaims(), nil), idtoken.Expected{})
	b.Run("made, for a token of no form", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			v.Check(context.Background(), "x", idtoken.Expected{})
		}
	})
	b.Run("printed", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			_ = report.String()
		}
	})
	b.Run("marshalled", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := json.Marshal(report); err != nil {
				b.Fatal(err)
			}
		}
	})
}
