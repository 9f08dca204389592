package auth_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"math/big"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/countersign/countersign/client/auth"
	"github.com/countersign/countersign/client/registration"
	"github.com/countersign/countersign/discovery"
	"github.com/countersign/countersign/internal/optest"
)

// selfSigned returns a certificate, and the number of its private key.
func selfSigned(t *testing.T) (*x509.Certificate, string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	certificate, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	private, err := key.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	return certificate, base64.RawURLEncoding.EncodeToString(private)
}

// TestPublishCertificates: a self-signed certificate is registered by jwks, and served. RFC
// 8705 §2.2.2.
func TestPublishCertificates(t *testing.T) {
	certificate, private := selfSigned(t)
	var ring auth.KeyRing
	if err := ring.Rotate(auth.SigningKey{KeyID: "signs", Key: optest.NewKey("signs", "ES256").Private}, time.Time{}); err != nil {
		t.Fatal(err)
	}
	if err := ring.PublishCertificates(certificate); err != nil {
		t.Fatal(err)
	}
	served := httptest.NewRecorder()
	ring.ServeHTTP(served, httptest.NewRequest("GET", "/jwks", nil))
	for _, set := range [][]byte{ring.JWKS(), served.Body.Bytes()} {
		var got struct{ Keys []map[string]any }
		if err := json.Unmarshal(set, &got); err != nil || len(got.Keys) != 2 {
			t.Fatalf("%s, %v", set, err)
		}
		x5c, _ := got.Keys[1]["x5c"].([]any)
		if len(x5c) != 1 || x5c[0] != base64.StdEncoding.EncodeToString(certificate.Raw) || got.Keys[1]["kty"] != "EC" || got.Keys[0]["x5c"] != nil {
			t.Errorf("%s", set)
		}
		if strings.Contains(string(set), private) {
			t.Error("the private key is in the set")
		}
	}
	s := optest.New(t)
	s.Registration = func(map[string]any) {}
	r := registration.Registrar{Server: newProvider(s), InitialAccessToken: optest.InitialToken}
	if _, err := r.Register(t.Context(), registration.Metadata{TokenEndpointAuthMethod: "self_signed_tls_client_auth", JWKS: ring.JWKS()}); err != nil {
		t.Error(err)
	}
	for name, list := range map[string][]*x509.Certificate{"nil": {nil}, "empty": {{}}, "too many": make([]*x509.Certificate, 17)} {
		if ring.PublishCertificates(list...) == nil {
			t.Errorf("%s: accepted", name)
		}
	}
	if err := ring.PublishCertificates(); err != nil || strings.Contains(string(ring.JWKS()), "x5c") {
		t.Errorf("a certificate that is withdrawn is still there: %v", err)
	}
}

func newProvider(s *optest.Server) *discovery.Provider { return &discovery.Provider{Issuer: s.URL} }
