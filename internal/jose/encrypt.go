package jose

import (
	"crypto"
	"crypto/aes"
	"crypto/ecdh"
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	josecipher "github.com/go-jose/go-jose/v4/cipher"
)

// Encrypt encrypts a JWT and returns a JWE in compact form. Request objects that are signed
// and then encrypted need it (RFC 9101 §6.1). [Decrypt] reverses it.
func Encrypt(jwt, alg, enc, kid string, key crypto.PublicKey) (string, error) {
	content, known := contents[enc]
	if !known || !slices.Contains(DecryptionAlgsWith(true), alg) {
		return "", fmt.Errorf("encryption algorithm %s or %s is not supported", Quote(alg), Quote(enc))
	}
	header := map[string]any{"alg": alg, "enc": enc, "cty": "JWT"} // RFC 7519 §5.2
	if kid != "" {
		header["kid"] = kid
	}
	cek, encryptedKey, err := wrap(header, alg, enc, key)
	if err != nil {
		return "", errors.New("cannot encrypt the token with this key")
	}
	aead, err := contentCipher(enc, cek)
	if err != nil {
		return "", err
	}
	raw, err := json.Marshal(header)
	if err != nil {
		return "", err
	}
	protected, iv := encode(raw), random(content.iv)
	sealed := aead.Seal(nil, iv, []byte(jwt), []byte(protected))
	at := len(sealed) - content.tag
	return strings.Join([]string{protected, encode(encryptedKey), encode(iv), encode(sealed[:at]), encode(sealed[at:])}, "."), nil
}

func encode(data []byte) string { return base64.RawURLEncoding.EncodeToString(data) }

// wrap returns a new content encryption key and its encrypted form. It adds to the header what the
// recipient needs.
func wrap(header map[string]any, alg, enc string, key crypto.PublicKey) (cek, encryptedKey []byte, err error) {
	cek = random(contents[enc].key)
	if k, ok := key.(*rsa.PublicKey); ok && strings.HasPrefix(alg, "RSA-") {
		encryptedKey, err = rsa.EncryptOAEP(oaepHash(alg), rand.Reader, k, cek, nil)
		return cek, encryptedKey, err
	}
	public, err := agreementKey(key)
	if err != nil || strings.HasPrefix(alg, "RSA-") {
		return nil, nil, errUnwrap
	}
	ephemeral, err := public.Curve().GenerateKey(rand.Reader)
	if err != nil {
		return nil, nil, err
	}
	if header["epk"], err = publicMembers(ephemeral.PublicKey()); err != nil {
		return nil, nil, err
	}
	derived, err := derive(alg, enc, ephemeral, public, nil, nil)
	if err != nil || wrapSize(alg) == 0 {
		return derived, nil, err
	}
	block, err := aes.NewCipher(derived)
	if err != nil {
		return nil, nil, err
	}
	encryptedKey, err = josecipher.KeyWrap(block, cek)
	return cek, encryptedKey, err
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
