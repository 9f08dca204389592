package idtoken

import (
	"errors"
	"fmt"
	"io"
	"log/slog"

	"github.com/countersign/countersign/internal/jose"
)

// DecryptionKey is a private key of the client for encrypted ID tokens. It is
// used with RSA-OAEP-256 (RSA) or ECDH-ES, ECDH-ES+A128KW, +A192KW and +A256KW (EC,
// X25519), and AES in GCM or CBC-HS mode. It redacts itself in fmt and log/slog.
type DecryptionKey struct {
	// KeyID is the kid under which the public key is registered. "" means that the
	// key is tried whatever a token names. At most 4 keys are tried for one token.
	KeyID string

	// Key is an *rsa.PrivateKey, *ecdsa.PrivateKey or *ecdh.PrivateKey.
	Key any
}

// Format implements fmt.Formatter: the key ID is all that any verb prints.
func (k DecryptionKey) Format(f fmt.State, _ rune) { io.WriteString(f, k.redacted()) }

// LogValue implements slog.LogValuer.
func (k DecryptionKey) LogValue() slog.Value { return slog.StringValue(k.redacted()) }

// MarshalText implements encoding.TextMarshaler with the key ID alone.
func (k DecryptionKey) MarshalText() ([]byte, error) { return []byte(k.redacted()), nil }

func (k DecryptionKey) redacted() string { return fmt.Sprintf("[decryption key %q]", k.KeyID) }

var (
	errPlain  = errors.New("the token is not encrypted, and encryption was agreed on (DecryptionKeys)")
	errNested = errors.New("what was encrypted is not a signed JWT")
)

// decrypt replaces c.raw by the inner token if the outer one is encrypted, and says
// whether it was. The inner one must be a JWS (OpenID Connect Core §2, RFC 8725 §3.3).
func (c *check) decrypt() (encrypted bool, err error) {
	if !jose.IsEncrypted(c.raw) {
		if len(c.v.DecryptionKeys) > 0 {
			return false, errPlain
		}
		return false, nil
	}
	if len(c.v.DecryptionKeys) == 0 {
		return true, errors.New("the token is encrypted, and no key to decrypt it is configured (DecryptionKeys)")
	}
	keys := make([]jose.PrivateKey, len(c.v.DecryptionKeys))
	for i, k := range c.v.DecryptionKeys {
		keys[i] = jose.PrivateKey{ID: k.KeyID, Key: k.Key}
	}
	inner, err := jose.Decrypt(c.raw, c.v.MaxSize, jose.DecryptionAlgs, keys)
	if err != nil {
		return true, err
	}
	if jose.IsEncrypted(string(inner)) {
		return true, errNested
	}
	c.raw = string(inner)
	return true, nil
}
