package rs_test

import (
	"crypto/rand"
	"crypto/rsa"
	"strings"
	"testing"

	"github.com/countersign/countersign/internal/jose"
	"github.com/countersign/countersign/internal/optest"
	"github.com/countersign/countersign/rs"
)

// TestRSAOAEP: RSA-OAEP with SHA-1 is decrypted only with its setting, and the error contains the
// setting. TOK-18.
func TestRSAOAEP(t *testing.T) {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	s := optest.New(t)
	token, err := jose.Encrypt(s.AccessToken(nil, nil), "RSA-OAEP", "A256GCM", "enc", key.Public())
	if err != nil {
		t.Fatal(err)
	}
	for _, on := range []bool{false, true} {
		j := jwtVerifier(s)
		j.DecryptionKeys, j.InsecureRSAOAEP = []rs.DecryptionKey{{KeyID: "enc", Key: key}}, on
		if _, err := j.VerifyToken(t.Context(), token); (err == nil) != on || err != nil && !strings.Contains(err.Error(), "InsecureRSAOAEP") {
			t.Errorf("InsecureRSAOAEP %t: %v", on, err)
		}
	}
}
