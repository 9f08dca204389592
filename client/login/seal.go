package login

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"io"
	"strings"
)

const (
	keySize  = 32 // bytes of a secret, and of a key
	saltSize = 16
	version  = 1
)

// What is sealed for one purpose does not open for another.
const (
	forAttempt = "login under way"
	forSession = "session"
	forTicket  = "name of a session"
	forTokens  = "tokens"
	forStore   = "value in a store"

	forChallenge = "challenge to a device"
	forBound     = "bound to a device"
	forStepUp    = "step-up that an API asks for"
)

// sealer seals and opens with keys that are derived from its secrets.
type sealer struct{ secrets [][]byte }

func newSealer(secrets [][]byte) (sealer, error) {
	var s sealer
	for _, secret := range secrets {
		derived, err := hkdf.Extract(sha256.New, secret, nil)
		if err != nil {
			return sealer{}, err
		}
		s.secrets = append(s.secrets, derived)
	}
	return s, nil
}

// Format implements fmt.Formatter: no verb prints a secret.
func (s sealer) Format(f fmt.State, _ rune) { fmt.Fprintf(f, "[%d keys]", len(s.secrets)) }

// aead is AES-256-GCM under a key for this purpose and this one message: a random nonce
// alone would be good for 2^32 messages of a key, which a busy site sends in weeks.
func aead(secret []byte, purpose string, salt []byte) (cipher.AEAD, error) {
	key, err := hkdf.Expand(sha256.New, secret, "countersign login "+purpose+"\x00"+string(salt), keySize)
	if err != nil {
		return nil, err
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	return cipher.NewGCMWithRandomNonce(block)
}

// bound is what is sealed along without being there: a cookie of this name, for this.
func bound(purpose, name string) []byte {
	return fmt.Appendf(nil, "%d %s\x00%s", version, purpose, name)
}

// seal gives plain as a text of the base64url alphabet that opens for this purpose and
// name alone.
func (s sealer) seal(purpose, name string, plain []byte) (string, error) {
	out := make([]byte, 1+saltSize, 1+saltSize+12+len(plain)+16)
	out[0] = version
	if _, err := io.ReadFull(rand.Reader, out[1:]); err != nil {
		return "", err
	}
	gcm, err := aead(s.secrets[0], purpose, out[1:])
	if err != nil {
		return "", err
	}
	out = gcm.Seal(out, nil, plain, bound(purpose, name))
	return base64.RawURLEncoding.EncodeToString(out), nil
}

// open is the reverse of seal; ok is false for everything that seal did not make with
// one of the secrets.
func (s sealer) open(purpose, name, sealed string) (plain []byte, ok bool) {
	raw, err := base64.RawURLEncoding.Strict().DecodeString(sealed)
	if err != nil || len(raw) < 1+saltSize || raw[0] != version || strings.ContainsAny(sealed, "\r\n") { // which the decoder skips
		return nil, false
	}
	for _, secret := range s.secrets {
		gcm, err := aead(secret, purpose, raw[1:1+saltSize])
		if err != nil {
			return nil, false
		}
		if plain, err := gcm.Open(nil, nil, raw[1+saltSize:], bound(purpose, name)); err == nil {
			return plain, true
		}
	}
	return nil, false
}
