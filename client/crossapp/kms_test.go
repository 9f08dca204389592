package crossapp_test

import (
	"crypto"
	"strings"
	"testing"

	"github.com/countersign/countersign/client"
	"github.com/countersign/countersign/client/auth"
	"github.com/countersign/countersign/internal/jose"
)

// TestKeyThatCannotBeExported: the clients of both servers may have one key in a KMS.
func TestKeyThatCannotBeExported(t *testing.T) {
	key, sum := fixedKey(t)
	kms := auth.SigningKey{Key: struct{ crypto.Signer }{key.Key}}
	w := newWorld(t, nil)
	w.bind(t, &client.DPoP{Keys: kms}, &client.DPoP{Keys: kms})
	issued, err := w.app.Fetch(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, got, err := jose.PublicJWK(issued.DPoPKey.Key.Public()); err != nil || got != sum || w.idp.proofs[0] != sum || w.at.proofs[0] != sum {
		t.Errorf("%v, the keys are %q, %q and %q, expected %q", err, got, w.idp.proofs, w.at.proofs, sum)
	}
	other, _ := fixedKey(t)
	for _, at := range []*client.DPoP{{}, {Keys: other}} {
		w := newWorld(t, nil)
		w.bind(t, &client.DPoP{Keys: kms}, at)
		if _, err := w.app.Fetch(t.Context()); err == nil || !strings.Contains(err.Error(), "CrossApp.At") || len(w.at.forms) != 0 {
			t.Errorf("%v, %d requests to the server", err, len(w.at.forms))
		}
	}
}
