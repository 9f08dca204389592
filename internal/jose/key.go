package jose

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/x509"
	"encoding/asn1"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/lestrrat-go/jwx/v3/jwk"
)

const (
	minRSABits = 2048 // RFC 7518 §3.3
	maxRSABits = 8192 // a larger key makes verification too expensive
)

// secret is the key of an HMAC. It never comes from a JWKS.
type secret []byte

// Key verifies signatures. It is parsed once from a JWK.
type Key struct {
	ID  string // kid, an opaque string; "" when the JWK has none
	Alg string // the only algorithm it may be used with, "" when the JWK names none

	Issuer string // member issuer of Entra ID's keys: the issuer of their tenant; "" if absent

	material any // *rsa.PublicKey, *ecdsa.PublicKey, ed25519.PublicKey, secret
}

// wireKey holds the members of a JWK (RFC 7517 §4) that are used, matched by exact name. Null
// counts as absent, because some servers write it for members that a key type does not have.
type wireKey struct {
	Kty    string          `json:"kty"`
	Kid    string          `json:"kid"`
	Alg    *string         `json:"alg"`
	Issuer string          `json:"issuer"`
	Use    *string         `json:"use"`
	KeyOps []string        `json:"key_ops"`
	X5C    []string        `json:"x5c"`
	D      *jsontext.Value `json:"d"`
	P      *jsontext.Value `json:"p"`
	Q      *jsontext.Value `json:"q"`
	K      *jsontext.Value `json:"k"`
	Pub    string          `json:"pub"`
	Priv   *jsontext.Value `json:"priv"`

	wireNumbers
}

// ParseKey decodes a public JWK for verification. The error says why the key cannot be used.
// A key set skips such a key (RFC 7517 §5).
func ParseKey(raw []byte) (Key, error) {
	var w wireKey
	if err := Decode(raw, &w, keySetLimits); err != nil {
		return Key{}, err
	}
	if err := w.check(); err != nil {
		return Key{}, err
	}
	material, err := w.material()
	if err != nil {
		return Key{}, err
	}
	k := Key{ID: w.Kid, Alg: w.alg(), Issuer: w.Issuer, material: material}
	if err := k.checkStrength(); err != nil {
		return Key{}, err
	}
	return k, k.checkCertificate(w.X5C)
}

// check applies RFC 7517 §4.2 to §4.4, and rejects members that a public key set must never
// contain.
func (w *wireKey) check() error {
	switch {
	case w.Kty == "oct" || w.K != nil:
		return errors.New("the key is symmetric, expected a public key")
	case w.D != nil || w.P != nil || w.Q != nil:
		return errors.New("the key is private, expected a public key")
	case len(w.Kid) > maxKeyID:
		return fmt.Errorf("kid has %d bytes, expected at most %d", len(w.Kid), maxKeyID)
	case w.Use != nil && *w.Use != "sig":
		return errors.New("use is not sig")
	case w.KeyOps != nil && !slices.Contains(w.KeyOps, "verify"):
		return errors.New("key_ops does not contain verify")
	case w.Alg != nil && algorithms[*w.Alg] == nil && isMLDSA(*w.Alg):
		return errNoMLDSA
	case w.Alg != nil && algorithms[*w.Alg] == nil:
		return fmt.Errorf("the signature algorithm %s is not supported", Quote(*w.Alg))
	}
	return nil
}

// alg returns "" for a key without alg.
func (w *wireKey) alg() string {
	if w.Alg == nil {
		return ""
	}
	return *w.Alg
}

// wireNumbers are the members with the key material, RFC 7518 §6.2, §6.3, RFC 8037 §2.
type wireNumbers struct {
	Crv string `json:"crv,omitempty"`
	N   string `json:"n,omitempty"`
	E   string `json:"e,omitempty"`
	X   string `json:"x,omitempty"`
	Y   string `json:"y,omitempty"`
}

// material decodes the key material.
func (w *wireKey) material() (any, error) {
	if w.Kty == akp {
		return w.exportMLDSA()
	}
	return w.export()
}

// export passes only the members with the key material to the library. The library accepts
// "X" for "x", so the text that it gets has no such duplicates. Its errors may quote the
// input and are not returned.
func (w *wireKey) export() (any, error) {
	for _, number := range []string{w.N, w.E, w.X, w.Y} {
		if _, err := DecodeBase64(number); err != nil {
			return nil, errors.New("a number of the key is not base64url")
		}
	}
	raw, err := json.Marshal(struct {
		Kty string `json:"kty"`
		wireNumbers
	}{w.Kty, w.wireNumbers})
	if err != nil {
		return nil, errors.New("the key is malformed")
	}
	parsed, err := jwk.ParseKey(raw)
	if err != nil {
		return nil, errors.New("the key is malformed or has an unknown type")
	}
	var out any
	if err := jwk.Export(parsed, &out); err != nil {
		return nil, errors.New("the key is malformed or has an unknown curve")
	}
	return out, nil
}

func (k Key) checkStrength() error {
	if k.Alg != "" && !algorithms[k.Alg].fits(k.material) {
		return fmt.Errorf("alg %s does not fit the key", k.Alg)
	}
	switch m := k.material.(type) {
	case *rsa.PublicKey:
		return checkRSA(m)
	case *ecdsa.PublicKey:
		if _, err := m.ECDH(); err != nil { // also: the point is on the curve
			return errors.New("the EC point is not on its curve")
		}
	case ed25519.PublicKey:
		if len(m) != ed25519.PublicKeySize {
			return errors.New("the Ed25519 key has the wrong size")
		}
	case mlDSAKey: // its size was checked with its parameters
	default:
		return errors.New("keys of this type are not supported for signatures")
	}
	return nil
}

func checkRSA(k *rsa.PublicKey) error {
	if bits := k.N.BitLen(); bits < minRSABits || bits > maxRSABits {
		return fmt.Errorf("the RSA key has %d bits, expected %d to %d", bits, minRSABits, maxRSABits)
	}
	if k.E < 3 || k.E%2 == 0 || k.E > 1<<31-1 {
		return errors.New("the RSA exponent is even, below 3 or above 2^31-1")
	}
	return nil
}

// checkCertificate rejects a key whose certificate has another public key (RFC 7517 §4.7). A
// certificate never makes a key trusted.
func (k Key) checkCertificate(x5c []string) error {
	if len(x5c) == 0 {
		return nil
	}
	certified, err := certifiedKey(x5c[0])
	if err != nil {
		return errors.New("x5c is malformed")
	}
	if !samePublicKey(certified, k.material) {
		return errors.New("the certificate in x5c has another public key")
	}
	return nil
}

// certifiedKey decodes only the public key of a certificate (RFC 5280 §4.1). crypto/x509
// rejects whole certificates for reasons that do not matter here, such as the negative serial
// numbers that some servers use.
func certifiedKey(cert string) (any, error) {
	der, err := base64.StdEncoding.DecodeString(cert)
	if err != nil {
		return nil, err
	}
	var c struct {
		TBS struct {
			Version                                            int `asn1:"optional,explicit,default:0,tag:0"`
			Serial, Algorithm, Issuer, Validity, Subject, Info asn1.RawValue
		}
	}
	if _, err := asn1.Unmarshal(der, &c); err != nil {
		return nil, err
	}
	return x509.ParsePKIXPublicKey(c.TBS.Info.FullBytes)
}

func samePublicKey(a, b any) bool {
	x, ok := a.(interface{ Equal(crypto.PublicKey) bool })
	return ok && x.Equal(b)
}

// same reports whether two entries of a set are the same key.
func (k Key) same(o Key) bool {
	if a, ok := k.material.(secret); ok {
		b, ok := o.material.(secret)
		return ok && bytes.Equal(a, b)
	}
	return samePublicKey(k.material, o.material)
}
