package jose

import (
	"errors"
	"strings"
)

// akp is the key type of ML-DSA: an algorithm key pair. Its JWK must name the algorithm.
const akp = "AKP"

// errNoMLDSA is the error for ML-DSA (RFC 9964) in a program that was built with an older Go
// release.
var errNoMLDSA = errors.New("ML-DSA requires a program that is built with Go 1.27 or later")

func isMLDSA(alg string) bool { return strings.HasPrefix(alg, "ML-DSA-") }

// mlDSAKey is a public key of ML-DSA.
type mlDSAKey interface {
	alg() string
	verify(message, signature []byte) bool
}

// exportMLDSA decodes the public key of a JWK of type AKP.
func (w *wireKey) exportMLDSA() (any, error) {
	if w.Priv != nil {
		return nil, errors.New("the key is private, expected a public key")
	}
	if w.Alg == nil {
		return nil, errors.New("the key has type AKP, but no alg")
	}
	public, err := DecodeBase64(w.Pub)
	if err != nil {
		return nil, errors.New("a number of the key is not base64url")
	}
	return parseMLDSA(*w.Alg, public)
}
