package jose

import (
	"fmt"
	"io"
	"log/slog"
)

// DecryptionKey is a private key for encrypted JWTs, with RSA-OAEP-256 (RSA) or ECDH-ES,
// ECDH-ES+A128KW, +A192KW and +A256KW (EC, X25519), and AES in GCM or CBC-HS mode. It
// redacts itself in fmt, log/slog and encoding.
type DecryptionKey struct {
	// KeyID is the kid under which the public key is registered. "" means that the key is
	// tried for every token. At most 4 keys are tried for one token.
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

// PrivateKeys gives the keys as [Decrypt] accepts them.
func PrivateKeys(keys []DecryptionKey) []PrivateKey {
	out := make([]PrivateKey, len(keys))
	for i, k := range keys {
		out[i] = PrivateKey{ID: k.KeyID, Key: k.Key}
	}
	return out
}
