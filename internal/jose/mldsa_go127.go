//go:build go1.27

package jose

import (
	"crypto"
	"crypto/mldsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
)

// The signature algorithms of ML-DSA, RFC 9964.
const (
	mlDSA44 = "ML-DSA-44"
	mlDSA65 = "ML-DSA-65"
	mlDSA87 = "ML-DSA-87"
)

func init() {
	for _, name := range []string{mlDSA44, mlDSA65, mlDSA87} {
		algorithms[name] = &algorithm{name: name, family: lattice}
	}
}

var mlDSAParameters = map[string]mldsa.Parameters{
	mlDSA44: mldsa.MLDSA44(), mlDSA65: mldsa.MLDSA65(), mlDSA87: mldsa.MLDSA87(),
}

// mlDSAPublicKey wraps the standard library's public key.
type mlDSAPublicKey struct{ *mldsa.PublicKey }

func (k mlDSAPublicKey) alg() string { return k.Parameters().String() }

func (k mlDSAPublicKey) verify(message, signature []byte) bool {
	return mldsa.Verify(k.PublicKey, message, signature, nil) == nil
}

// Equal accepts a key of either type.
func (k mlDSAPublicKey) Equal(x crypto.PublicKey) bool {
	if other, ok := x.(mlDSAPublicKey); ok {
		x = other.PublicKey
	}
	return k.PublicKey.Equal(x)
}

func parseMLDSA(alg string, public []byte) (any, error) {
	parameters, known := mlDSAParameters[alg]
	if !known {
		return nil, errors.New("the key has type AKP, but alg is not ML-DSA")
	}
	k, err := mldsa.NewPublicKey(parameters, public)
	if err != nil {
		return nil, errors.New("the ML-DSA key has the wrong size")
	}
	return mlDSAPublicKey{k}, nil
}

// ownKey converts a standard library key to this package's type.
func ownKey(public crypto.PublicKey) crypto.PublicKey {
	if k, ok := public.(*mldsa.PublicKey); ok {
		return mlDSAPublicKey{k}
	}
	return public
}

// mlDSAJWK encodes a public key as a JWK of type AKP and returns its thumbprint: the hash of
// alg, kty and pub in this order.
func mlDSAJWK(public crypto.PublicKey) (raw json.RawMessage, thumbprint string, ok bool) {
	k, ok := ownKey(public).(mlDSAPublicKey)
	if !ok {
		return nil, "", false
	}
	raw = json.RawMessage(`{"alg":"` + k.alg() + `","kty":"` + akp + `","pub":"` + strictBase64.EncodeToString(k.Bytes()) + `"}`)
	sum := sha256.Sum256(raw)
	return raw, base64.RawURLEncoding.EncodeToString(sum[:]), true
}
