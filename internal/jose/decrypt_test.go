package jose_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"testing"

	"github.com/countersign/countersign/internal/jose"
)

// TestDecryptTries: at most four of the matching keys are tried.
func TestDecryptTries(t *testing.T) {
	var keys []jose.PrivateKey
	var last *ecdsa.PrivateKey
	for range 5 {
		last, _ = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		keys = append(keys, jose.PrivateKey{Key: last})
	}
	token, err := jose.Encrypt("e30.e30.e30", "ECDH-ES", "A128GCM", "", last.Public())
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		keys []jose.PrivateKey
		ok   bool
	}{
		{keys[1:], true}, // the fourth is the right key
		{keys, false},    // the fifth
		{append([]jose.PrivateKey{{Key: make([]byte, 16)}}, keys[1:]...), true}, // a key of another type is not tried
	} {
		if _, err := jose.Decrypt(token, 0, jose.DecryptionAlgs, test.keys); (err == nil) != test.ok {
			t.Errorf("%d keys: %v", len(test.keys), err)
		}
	}
	named, err := jose.Encrypt("e30.e30.e30", "ECDH-ES", "A128GCM", "mine", last.Public())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := jose.Decrypt(named, 0, jose.DecryptionAlgs, append(keys, jose.PrivateKey{ID: "mine", Key: last})); err != nil {
		t.Errorf("the key that the token names comes sixth: %v", err)
	}
}
