package jose_test

import (
	"crypto"
	"errors"
	"io"
	"testing"

	"github.com/countersign/countersign/internal/jose"
	"github.com/countersign/countersign/internal/optest"
)

// TestSign: a signed token verifies, with every algorithm.
func TestSign(t *testing.T) {
	for _, alg := range []string{"RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"} {
		k := optest.NewKey("k", alg)
		s, err := jose.NewSigner(k.Private, alg, "k")
		if err != nil {
			t.Fatal(err)
		}
		jwt, err := s.Sign(m{"typ": "x"}, m{"a": 1})
		if err != nil {
			t.Fatal(err)
		}
		if err := check(t, set(t, k.JWK()), jwt); err != nil {
			t.Errorf("%s: %v", alg, err)
		}
		token, _ := jose.Parse(jwt, 0)
		if token.Header.Typ != "x" || token.Header.Kid != "k" || string(token.Payload) != `{"a":1}` {
			t.Errorf("%s: header %+v, claims %s", alg, token.Header, token.Payload)
		}
	}
	hs := optest.NewKey("k", "HS256")
	s, err := jose.NewSecretSigner(hs.Secret, "HS256")
	if err != nil {
		t.Fatal(err)
	}
	jwt, _ := s.Sign(nil, m{})
	if err := check(t, jose.NewSecretSet(hs.Secret), jwt); err != nil {
		t.Error(err)
	}
}

func TestSignRefused(t *testing.T) {
	rs, es := optest.NewKey("k", "RS256"), optest.NewKey("k", "ES256")
	for name, f := range map[string]func() (*jose.Signer, error){
		"RSA without alg": func() (*jose.Signer, error) { return jose.NewSigner(rs.Private, "", "") },
		"RSA with ES256":  func() (*jose.Signer, error) { return jose.NewSigner(rs.Private, "ES256", "") },
		"P-256 and ES384": func() (*jose.Signer, error) { return jose.NewSigner(es.Private, "ES384", "") },
		"none":            func() (*jose.Signer, error) { return jose.NewSigner(es.Private, "none", "") },
		"no key":          func() (*jose.Signer, error) { return jose.NewSigner(nil, "ES256", "") },
		"1024 bits": func() (*jose.Signer, error) {
			t.Setenv("GODEBUG", "rsa1024min=0")
			return jose.NewSigner(rsaOf(1024).Private, "RS256", "")
		},
		"a short secret":  func() (*jose.Signer, error) { return jose.NewSecretSigner([]byte("short"), "HS256") },
		"a secret, RS256": func() (*jose.Signer, error) { return jose.NewSecretSigner(make([]byte, 64), "RS256") },
	} {
		if _, err := f(); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
	if s, err := jose.NewSigner(es.Private, "", ""); err != nil || s.Alg() != "ES256" {
		t.Errorf("P-256 alone: %v", err)
	}
	for name, k := range map[string]broken{"an error": {es.Private.Public(), nil, errors.New("the HSM is gone")}, "garbage": {es.Private.Public(), []byte("x"), nil}} {
		s, err := jose.NewSigner(k, "ES256", "")
		if err != nil {
			t.Fatal(err)
		}
		if jwt, err := s.Sign(nil, m{}); err == nil {
			t.Errorf("%s: signed %s", name, jwt)
		}
	}
}

// TestSignatureSize: a signature of the wrong size is not sent.
func TestSignatureSize(t *testing.T) {
	for _, alg := range []string{"RS256", "PS256", "EdDSA"} {
		for _, signature := range [][]byte{nil, []byte("x"), make([]byte, 1000)} {
			s, err := jose.NewSigner(broken{optest.NewKey("k", alg).Private.Public(), signature, nil}, alg, "")
			if err != nil {
				t.Fatal(err)
			}
			if jwt, err := s.Sign(nil, m{}); err == nil {
				t.Errorf("%s, %d bytes: signed %s", alg, len(signature), jwt)
			}
		}
	}
}

// broken is a key in an HSM that returns wrong signatures.
type broken struct {
	public    crypto.PublicKey
	signature []byte
	err       error
}

func (b broken) Public() crypto.PublicKey { return b.public }

func (b broken) Sign(io.Reader, []byte, crypto.SignerOpts) ([]byte, error) { return b.signature, b.err }
