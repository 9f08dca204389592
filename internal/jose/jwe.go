package jose

import (
	"crypto"
	"crypto/aes"
	"crypto/cipher"
	"crypto/ecdh"
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"hash"
	"io"
	"strings"

	josecipher "github.com/go-jose/go-jose/v4/cipher"
)

// errUnwrap is for every fault of an encrypted key. It has no details, because they could help an
// attacker.
var errUnwrap = errors.New("the encrypted key cannot be decrypted")

// agreement holds the header members of ECDH-ES (RFC 7518 §4.6.1).
type agreement struct {
	EPK wireKey `json:"epk"`
	APU string  `json:"apu"`
	APV string  `json:"apv"`
}

// open decrypts a JWE whose header and sizes were checked (RFC 7516 §5.2).
func open(parts [5]string, h Header, key any) ([]byte, error) {
	var decoded [5][]byte
	for i, part := range parts {
		b, err := decodePart("part", part)
		if err != nil {
			return nil, err
		}
		decoded[i] = b
	}
	// RFC 7516 §11.5: a wrong encrypted key must not be visible in the time of the response.
	cek := random(contents[h.Enc].key)
	if unwrapped, err := unwrap(decoded[0], h, decoded[1], key); err == nil && len(unwrapped) == len(cek) {
		cek = unwrapped
	}
	aead, err := contentCipher(h.Enc, cek)
	if err != nil {
		return nil, err
	}
	return aead.Open(nil, decoded[2], append(decoded[3], decoded[4]...), []byte(parts[0]))
}

// unwrap returns the content encryption key.
func unwrap(header []byte, h Header, encryptedKey []byte, key any) ([]byte, error) {
	switch k := key.(type) {
	case *rsa.PrivateKey:
		return rsa.DecryptOAEP(oaepHash(h.Alg), nil, k, encryptedKey, nil)
	case *ecdsa.PrivateKey:
		private, err := k.ECDH()
		if err != nil {
			return nil, errUnwrap
		}
		return agree(header, h, encryptedKey, private)
	case *ecdh.PrivateKey:
		return agree(header, h, encryptedKey, k)
	case []byte:
		if wrapSize(h.Alg) == len(k) {
			return keyUnwrap(k, encryptedKey)
		}
	}
	return nil, errUnwrap
}

// oaepHash returns the hash of RSA-OAEP or RSA-OAEP-256 (RFC 7518 §4.3).
func oaepHash(alg string) hash.Hash {
	if alg == "RSA-OAEP" {
		return sha1.New()
	}
	return sha256.New()
}

var wrapSizes = map[string]int{"A128KW": 16, "A192KW": 24, "A256KW": 32}

// wrapSize returns the size of the key for AES Key Wrap in bytes, or 0 for direct key agreement.
func wrapSize(alg string) int { return wrapSizes[strings.TrimPrefix(alg, "ECDH-ES+")] }

func keyUnwrap(key, encryptedKey []byte) ([]byte, error) {
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, errUnwrap
	}
	return josecipher.KeyUnwrap(block, encryptedKey)
}

// agree derives the key with the ephemeral key in the header, and unwraps the content encryption
// key with it if alg says so.
func agree(header []byte, h Header, encryptedKey []byte, private *ecdh.PrivateKey) ([]byte, error) {
	var a agreement
	if err := Decode(header, &a, headerLimits); err != nil {
		return nil, errUnwrap
	}
	public, err := a.EPK.agreementKey()
	if err != nil || public.Curve() != private.Curve() {
		return nil, errUnwrap
	}
	apu, err := DecodeBase64(a.APU)
	if err != nil {
		return nil, errUnwrap
	}
	apv, err := DecodeBase64(a.APV)
	if err != nil {
		return nil, errUnwrap
	}
	derived, err := derive(h.Alg, h.Enc, private, public, apu, apv)
	if err != nil || wrapSize(h.Alg) == 0 {
		return derived, err
	}
	return keyUnwrap(derived, encryptedKey)
}

// agreementKey returns the public key of an epk.
func (w *wireKey) agreementKey() (*ecdh.PublicKey, error) {
	material, err := w.export()
	if err != nil {
		return nil, err
	}
	return agreementKey(material)
}

func agreementKey(key crypto.PublicKey) (*ecdh.PublicKey, error) {
	switch k := key.(type) {
	case *ecdsa.PublicKey:
		return k.ECDH()
	case *ecdh.PublicKey:
		return k, nil
	}
	return nil, errUnwrap
}

// derive is RFC 7518 §4.6.2. The result is the content encryption key for ECDH-ES, and the key that
// wraps it otherwise.
func derive(alg, enc string, private *ecdh.PrivateKey, public *ecdh.PublicKey, apu, apv []byte) ([]byte, error) {
	z, err := private.ECDH(public)
	if err != nil {
		return nil, errUnwrap
	}
	id, size := alg, wrapSize(alg)
	if size == 0 {
		id, size = enc, contents[enc].key
	}
	bits := binary.BigEndian.AppendUint32(nil, uint32(size)*8)
	kdf := josecipher.NewConcatKDF(crypto.SHA256, z, prefixed([]byte(id)), prefixed(apu), prefixed(apv), bits, nil)
	key := make([]byte, size)
	_, err = io.ReadFull(kdf, key)
	return key, err
}

// prefixed puts the length in front, in 32 bits.
func prefixed(data []byte) []byte {
	return append(binary.BigEndian.AppendUint32(nil, uint32(len(data))), data...)
}

// contentCipher returns the AEAD of a content encryption algorithm (RFC 7518 §5.2, §5.3).
func contentCipher(enc string, cek []byte) (cipher.AEAD, error) {
	if strings.Contains(enc, "CBC") {
		return josecipher.NewCBCHMAC(cek, aes.NewCipher)
	}
	block, err := aes.NewCipher(cek)
	if err != nil {
		return nil, err
	}
	return cipher.NewGCM(block)
}

func random(n int) []byte {
	b := make([]byte, n)
	_, _ = rand.Read(b) // never an error
	return b
}
