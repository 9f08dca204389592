package login

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"hash"
	"io"
	"strings"
	"sync"
)

const (
	keySize  = 32 // bytes of a secret, and of a key
	saltSize = 16
	version  = 1
)

// A value that is sealed for one purpose cannot be opened for another.
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
type sealer struct {
	secrets [][]byte
	macs    []*sync.Pool // of HMAC-SHA256 under each secret: what HKDF-Expand begins with
}

func newSealer(secrets [][]byte) (sealer, error) {
	var s sealer
	for _, secret := range secrets {
		derived, err := hkdf.Extract(sha256.New, secret, nil)
		if err != nil {
			return sealer{}, err
		}
		s.secrets = append(s.secrets, derived)
		s.macs = append(s.macs, &sync.Pool{New: func() any { return &expander{mac: hmac.New(sha256.New, derived)} }})
	}
	return s, nil
}

// Format implements fmt.Formatter: no verb prints a secret.
func (s sealer) Format(f fmt.State, _ rune) { fmt.Fprintf(f, "[%d keys]", len(s.secrets)) }

// aead is AES-256-GCM under a key for this purpose and this message only. With random nonces only, a
// key would be safe for 2^32 messages, which a busy site sends in weeks.
func (s sealer) aead(i int, purpose string, salt []byte) (cipher.AEAD, error) {
	var key [keySize]byte
	s.expand(i, purpose, salt, key[:0])
	block, err := aes.NewCipher(key[:])
	if err != nil {
		return nil, err
	}
	return cipher.NewGCMWithRandomNonce(block)
}

// expand is HKDF-Expand (RFC 5869 §2.3) for one block of output: HMAC over the info and 1.
// crypto/hkdf makes a new HMAC for each call, which costs more than the rest of opening.
func (s sealer) expand(i int, purpose string, salt, to []byte) {
	e := s.macs[i].Get().(*expander)
	defer s.macs[i].Put(e)
	e.info = append(e.info[:0], "countersign login "...)
	e.info = append(e.info, purpose...)
	e.info = append(e.info, 0)
	e.info = append(e.info, salt...)
	e.info = append(e.info, 1)
	e.mac.Reset()
	e.mac.Write(e.info)
	e.mac.Sum(to)
}

// expander has the buffers of one call of expand. They are reused.
type expander struct {
	mac  hash.Hash
	info []byte
}

// bound returns the additional authenticated data: a cookie with this name, for this purpose.
func bound(purpose, name string) []byte {
	b := make([]byte, 0, len("1 \x00")+len(purpose)+len(name))
	b = append(b, '0'+version, ' ')
	b = append(b, purpose...)
	b = append(b, 0)
	return append(b, name...)
}

// seal returns plain as sealed text in the base64url alphabet. It opens only for this purpose
// and name.
func (s sealer) seal(purpose, name string, plain []byte) (string, error) {
	out := make([]byte, 1+saltSize, 1+saltSize+12+len(plain)+16)
	out[0] = version
	if _, err := io.ReadFull(rand.Reader, out[1:]); err != nil {
		return "", err
	}
	gcm, err := s.aead(0, purpose, out[1:])
	if err != nil {
		return "", err
	}
	out = gcm.Seal(out, nil, plain, bound(purpose, name))
	return base64.RawURLEncoding.EncodeToString(out), nil
}

// open reverses seal. ok is false for everything that seal did not create with one of the
// secrets.
func (s sealer) open(purpose, name, sealed string) (plain []byte, ok bool) {
	raw, err := base64.RawURLEncoding.Strict().DecodeString(sealed)
	if err != nil || len(raw) < 1+saltSize || raw[0] != version || strings.ContainsAny(sealed, "\r\n") { // which the decoder skips
		return nil, false
	}
	for i := range s.secrets {
		gcm, err := s.aead(i, purpose, raw[1:1+saltSize])
		if err != nil {
			return nil, false
		}
		if plain, err := gcm.Open(nil, nil, raw[1+saltSize:], bound(purpose, name)); err == nil {
			return plain, true
		}
	}
	return nil, false
}
