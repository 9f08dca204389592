package jose

import (
	"crypto"
	"errors"

	"github.com/lestrrat-go/jwx/v3/jwa"
	"github.com/lestrrat-go/jwx/v3/jwe"
)

// Encrypt makes a JWE in compact form of a JWT: what request objects need that
// are signed, then encrypted (RFC 9101 §6.1), and what [Decrypt] opens.
func Encrypt(jwt, alg, enc, kid string, key crypto.PublicKey) (string, error) {
	keyAlg, ok := jwa.LookupKeyEncryptionAlgorithm(alg)
	contentAlg, known := jwa.LookupContentEncryptionAlgorithm(enc)
	if !ok || !known {
		return "", errors.New("encryption algorithm " + Quote(alg) + " or " + Quote(enc) + " is not supported")
	}
	headers := jwe.NewHeaders()
	headers.Set(jwe.ContentTypeKey, "JWT")
	if kid != "" {
		headers.Set(jwe.KeyIDKey, kid)
	}
	out, err := jwe.Encrypt([]byte(jwt), jwe.WithKey(keyAlg, key), jwe.WithContentEncryption(contentAlg), jwe.WithProtectedHeaders(headers))
	if err != nil {
		return "", errors.New("the token cannot be encrypted to this key")
	}
	return string(out), nil
}
