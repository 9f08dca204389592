//go:build go1.27

package jose_test

import (
	"crypto/mldsa"
	"encoding/base64"
	"encoding/json"
	"strings"
	"testing"

	"github.com/countersign/countersign/internal/jose"
)

// TestMLDSA: a token signed with ML-DSA verifies only with its own key. TOK-04, TOK-05
func TestMLDSA(t *testing.T) {
	for name, parameters := range map[string]mldsa.Parameters{"ML-DSA-44": mldsa.MLDSA44(), "ML-DSA-65": mldsa.MLDSA65(), "ML-DSA-87": mldsa.MLDSA87()} {
		t.Run(name, func(t *testing.T) {
			key, err := mldsa.GenerateKey(parameters)
			if err != nil {
				t.Fatal(err)
			}
			signer, err := jose.NewSigner(key, "", "k1")
			if err != nil || signer.Alg() != name {
				t.Fatal(signer, err)
			}
			token, err := signer.Sign(nil, m{"sub": "alice"})
			if err != nil {
				t.Fatal(err)
			}
			raw, thumbprint, err := signer.PublicJWK()
			if err != nil || len(thumbprint) != 43 {
				t.Fatal(err)
			}
			var public m
			if err := json.Unmarshal(raw, &public); err != nil {
				t.Fatal(err)
			}
			public["kid"] = "k1"
			if err := check(t, set(t, public), token); err != nil {
				t.Errorf("its own key: %v", err)
			}
			other, err := mldsa.GenerateKey(parameters)
			if err != nil {
				t.Fatal(err)
			}
			public["pub"] = base64.RawURLEncoding.EncodeToString(other.PublicKey().Bytes())
			if err := check(t, set(t, public), token); err == nil {
				t.Error("another key accepted the token")
			}
			dot := strings.LastIndex(token, ".") + 1
			changed := token[:dot] + map[bool]string{true: "B", false: "A"}[token[dot] == 'A'] + token[dot+1:]
			if err := check(t, set(t, withoutErr(t, signer)), changed); err == nil {
				t.Error("a changed signature was accepted")
			}
		})
	}
}

func withoutErr(t *testing.T, s *jose.Signer) m {
	t.Helper()
	raw, _, err := s.PublicJWK()
	if err != nil {
		t.Fatal(err)
	}
	var public m
	if err := json.Unmarshal(raw, &public); err != nil {
		t.Fatal(err)
	}
	public["kid"] = "k1"
	return public
}

// TestMLDSAKeys: keys that must not be used. JWKS-03
func TestMLDSAKeys(t *testing.T) {
	key, err := mldsa.GenerateKey(mldsa.MLDSA44())
	if err != nil {
		t.Fatal(err)
	}
	raw, _, err := jose.PublicJWK(key.Public())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := jose.ParseKey(raw); err != nil {
		t.Errorf("a good key: %v", err)
	}
	for name, change := range map[string]m{
		"without alg":   {"alg": nil},
		"another alg":   {"alg": "ML-DSA-65"},
		"an EC alg":     {"alg": "ES256"},
		"private":       {"priv": "AAAA"},
		"short":         {"pub": "AAAA"},
		"not base64url": {"pub": "A=="},
		"of encryption": {"use": "enc"},
	} {
		var k m
		if err := json.Unmarshal(raw, &k); err != nil {
			t.Fatal(err)
		}
		for member, value := range change {
			k[member] = value
			if value == nil {
				delete(k, member)
			}
		}
		changed, err := json.Marshal(k)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := jose.ParseKey(changed); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}
