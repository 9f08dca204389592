package interop

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"net/http"
	"os"
	"path/filepath"
	"testing"

	"github.com/countersign/countersign/client/auth"
	"github.com/countersign/countersign/idtoken"
)

// keyPath returns the path of a file that the command keys generated.
func keyPath(name string) string { return filepath.Join(os.Getenv("COUNTERSIGN_INTEROP_KEYS"), name) }

func readPEM(t *testing.T, name string) []byte {
	t.Helper()
	content, err := os.ReadFile(keyPath(name))
	if err != nil {
		t.Fatal(err)
	}
	block, _ := pem.Decode(content)
	if block == nil {
		t.Fatalf("%s holds no PEM", name)
	}
	return block.Bytes
}

func privateKey(t *testing.T, name string) crypto.Signer {
	t.Helper()
	key, err := x509.ParsePKCS8PrivateKey(readPEM(t, name+".key"))
	if err != nil {
		t.Fatal(err)
	}
	return key.(crypto.Signer)
}

// signingKey returns the clients' signing key. The servers have its public key.
func signingKey(t *testing.T) auth.SigningKey {
	t.Helper()
	return auth.SigningKey{KeyID: "sign", Alg: "PS256", Key: privateKey(t, "sign")}
}

// strangeKey returns another key with the key ID of signingKey.
func strangeKey(t *testing.T) auth.SigningKey {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	return auth.SigningKey{KeyID: "sign", Alg: "PS256", Key: key}
}

// decryptionKeys returns the clients' decryption keys. The servers encrypt to them.
func decryptionKeys(t *testing.T) []idtoken.DecryptionKey {
	t.Helper()
	return []idtoken.DecryptionKey{{KeyID: "decrypt", Key: privateKey(t, "decrypt")}}
}

func certificate(t *testing.T, name string) tls.Certificate {
	t.Helper()
	pair, err := tls.LoadX509KeyPair(keyPath(name+".crt"), keyPath(name+".key"))
	if err != nil {
		t.Fatal(err)
	}
	return pair
}

// transport trusts the tests' CA and presents the named certificate. "" means no certificate.
func transport(t *testing.T, name string) *http.Transport {
	t.Helper()
	authority, err := x509.ParseCertificate(readPEM(t, "ca.crt"))
	if err != nil {
		t.Fatal(err)
	}
	config := &tls.Config{RootCAs: x509.NewCertPool()}
	config.RootCAs.AddCert(authority)
	if name != "" {
		shown := certificate(t, name) // Certificates would not send a certificate whose CA the server does not list
		config.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return &shown, nil }
	}
	out := &http.Transport{TLSClientConfig: config}
	t.Cleanup(out.CloseIdleConnections)
	return out
}
