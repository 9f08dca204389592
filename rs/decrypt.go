package rs

import (
	"errors"
	"fmt"
	"io"
	"log/slog"

	"github.com/countersign/countersign/internal/jose"
)

// DecryptionKey is a private key of this API, for encrypted access tokens and
// introspection answers. It is used with RSA-OAEP-256 (RSA) or ECDH-ES,
// ECDH-ES+A128KW, +A192KW and +A256KW (EC, X25519), and AES in GCM or CBC-HS mode. It
// redacts itself in fmt and log/slog.
type DecryptionKey struct {
	// KeyID is the kid under which the public key is registered. "" means that the
	// key is tried for every token.
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

// decrypt gives the signed token: token itself where no encryption was agreed on.
func (j *JWT) decrypt(token string) (string, error) {
	if len(j.DecryptionKeys) == 0 {
		return token, nil
	}
	return decrypt(token, j.MaxSize, j.DecryptionKeys)
}

// decrypt opens a JWE. What is in it must be a JWS (RFC 9068 §4, RFC 8725 §3.3).
func decrypt(token string, max int, own []DecryptionKey) (string, error) {
	if !jose.IsEncrypted(token) {
		return "", errPlain
	}
	keys := make([]jose.PrivateKey, len(own))
	for i, k := range own {
		keys[i] = jose.PrivateKey{ID: k.KeyID, Key: k.Key}
	}
	inner, err := jose.Decrypt(token, max, jose.DecryptionAlgs, keys)
	if err != nil {
		return "", err
	}
	if jose.IsEncrypted(string(inner)) {
		return "", errNested
	}
	return string(inner), nil
}
