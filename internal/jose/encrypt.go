package jose

import (
	"crypto"
	"crypto/ecdh"
	"crypto/ecdsa"
	"crypto/rsa"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/lestrrat-go/jwx/v3/jwa"
	"github.com/lestrrat-go/jwx/v3/jwe"
)

// Encrypt encrypts a JWT and returns a JWE in compact form. Request objects that are signed
// and then encrypted need it (RFC 9101 §6.1). [Decrypt] reverses it.
func Encrypt(jwt, alg, enc, kid string, key crypto.PublicKey) (string, error) {
	keyAlg, ok := jwa.LookupKeyEncryptionAlgorithm(alg)
	contentAlg, known := jwa.LookupContentEncryptionAlgorithm(enc)
	if !ok || !known {
		return "", fmt.Errorf("encryption algorithm %s or %s is not supported", Quote(alg), Quote(enc))
	}
	headers := jwe.NewHeaders()
	headers.Set(jwe.ContentTypeKey, "JWT") // RFC 7519 §5.2
	if kid != "" {
		headers.Set(jwe.KeyIDKey, kid)
	}
	out, err := jwe.Encrypt([]byte(jwt), jwe.WithKey(keyAlg, key), jwe.WithContentEncryption(contentAlg), jwe.WithProtectedHeaders(headers))
	if err != nil {
		return "", errors.New("cannot encrypt the token with this key")
	}
	return string(out), nil
}

// CheckEncryption returns an error unless alg and enc are supported for encryption.
func CheckEncryption(alg, enc string) error {
	if !slices.Contains(DecryptionAlgs, alg) {
		return fmt.Errorf("the encryption alg is %s, expected one of %q", Quote(alg), DecryptionAlgs)
	}
	if _, ok := contents[enc]; !ok {
		return fmt.Errorf("encryption enc %s is not supported", Quote(enc))
	}
	return nil
}

// encryptionKey is an entry of a key set for encryption.
type encryptionKey struct {
	id, alg string
	key     crypto.PublicKey
}

// addEncryption adds an entry that is a usable encryption key, and reports whether it did.
func (s *Set) addEncryption(raw []byte) bool {
	var w wireKey
	if Decode(raw, &w, keySetLimits) != nil || w.Use == nil || *w.Use != "enc" || w.D != nil || w.P != nil || w.K != nil {
		return false
	}
	material, err := w.export()
	if err != nil {
		return false
	}
	k := encryptionKey{id: w.Kid, alg: w.alg(), key: material}
	if k.strong() {
		s.encryption = append(s.encryption, k)
	}
	return k.strong()
}

func (k encryptionKey) strong() bool {
	switch m := k.key.(type) {
	case *rsa.PublicKey:
		return checkRSA(m) == nil
	case *ecdsa.PublicKey:
		_, err := m.ECDH()
		return err == nil
	case *ecdh.PublicKey:
		return true
	}
	return false
}

func (k encryptionKey) fits(alg string) bool {
	if k.alg != "" && k.alg != alg {
		return false
	}
	_, isRSA := k.key.(*rsa.PublicKey)
	return isRSA == strings.HasPrefix(alg, "RSA-")
}

// Encrypt encrypts a JWT with the first key of the set that is for encryption (use=enc) and
// fits alg.
func (s *Set) Encrypt(jwt, alg, enc string) (string, error) {
	if err := CheckEncryption(alg, enc); err != nil {
		return "", err
	}
	for _, k := range s.encryption {
		if k.fits(alg) {
			return Encrypt(jwt, alg, enc, k.id, k.key)
		}
	}
	return "", fmt.Errorf("the server's key set has no encryption key for alg %s", alg)
}
