package client_test

import (
	"crypto/rand"
	"crypto/rsa"
	"testing"

	"github.com/countersign/countersign/idtoken"
	"github.com/countersign/countersign/internal/jose"
)

// agreement is a response to a client that is registered for encryption, or is not.
type agreement struct {
	body       string
	agreed, ok bool
}

// encryptionAgreements are a signed response, plain and encrypted, with and without registered
// encryption, and with the client's keys.
func encryptionAgreements(t *testing.T, plain string) ([]idtoken.DecryptionKey, []agreement) {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	jwe, err := jose.Encrypt(plain, "RSA-OAEP-256", "A256GCM", "enc", key.Public())
	if err != nil {
		t.Fatal(err)
	}
	return []idtoken.DecryptionKey{{KeyID: "enc", Key: key}},
		[]agreement{{jwe, true, true}, {plain, false, true}, {jwe, false, false}, {plain, true, false}}
}
