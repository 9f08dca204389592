package jose

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
)

// DecryptionKey is a private key for encrypted JWTs. It supports RSA-OAEP-256 (RSA) and
// ECDH-ES, ECDH-ES+A128KW, +A192KW and +A256KW (EC, X25519), with AES in GCM or CBC-HS mode.
// It redacts itself in fmt and log/slog. Encoders return an error.
type DecryptionKey struct {
	// KeyID is the kid of the registered public key. "" means that the key is tried for every
	// token. At most 4 keys are tried for one token.
	KeyID string

	// Key is an *rsa.PrivateKey, *ecdsa.PrivateKey or *ecdh.PrivateKey.
	Key any
}

// Format implements fmt.Formatter. Every verb prints the key ID only.
func (k DecryptionKey) Format(f fmt.State, _ rune) { io.WriteString(f, k.redacted()) }

// LogValue implements slog.LogValuer.
func (k DecryptionKey) LogValue() slog.Value { return slog.StringValue(k.redacted()) }

var errEncodeKey = errors.New("a DecryptionKey is not encoded, because the key would be lost: encode KeyID and the result of x509.MarshalPKCS8PrivateKey for Key")

// MarshalText returns an error that says how to store the key. Encoders of JSON, YAML and XML
// call it.
func (DecryptionKey) MarshalText() ([]byte, error) { return nil, errEncodeKey }

// MarshalBinary returns an error that says how to store the key. encoding/gob calls it.
func (DecryptionKey) MarshalBinary() ([]byte, error) { return nil, errEncodeKey }

func (k DecryptionKey) redacted() string { return fmt.Sprintf("[decryption key %q]", k.KeyID) }

// OpenNested decrypts raw, if it is encrypted, and returns the signed JWT in it. encrypted
// reports whether it was. raw may have at most max bytes (0 means [DefaultMaxSize]). With
// keys, a JWT that is not encrypted is rejected. Without keys, an encrypted JWT is rejected.
// The plaintext must be a JWS (RFC 8725 §3.3).
func OpenNested(raw string, max int, algs []string, keys []DecryptionKey) (inner string, encrypted bool, err error) {
	switch encrypted = IsEncrypted(raw); {
	case !encrypted && len(keys) == 0:
		return raw, false, nil
	case !encrypted:
		return "", false, errPlain
	case len(keys) == 0:
		return "", true, errNoKey
	}
	private := make([]PrivateKey, len(keys))
	for i, k := range keys {
		private[i] = PrivateKey{ID: k.KeyID, Key: k.Key}
	}
	plain, err := Decrypt(raw, max, algs, private)
	if err == nil && IsEncrypted(string(plain)) {
		err = errNested
	}
	if err != nil {
		return "", true, err
	}
	return string(plain), true, nil
}

var (
	errPlain  = errors.New("the token is not encrypted, but DecryptionKeys is set: configure the server to encrypt, or remove DecryptionKeys")
	errNoKey  = errors.New("the token is encrypted, but no decryption key is configured: set DecryptionKeys")
	errNested = errors.New("the decrypted content is not a signed JWT")
)
