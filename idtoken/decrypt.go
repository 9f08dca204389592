package idtoken

import (
	"errors"

	"github.com/countersign/countersign/internal/jose"
)

// DecryptionKey is a private key of the client for encrypted ID tokens. It is used with
// RSA-OAEP-256 (RSA) or ECDH-ES, ECDH-ES+A128KW, +A192KW and +A256KW (EC, X25519), and AES in
// GCM or CBC-HS mode. KeyID is the kid under which the public key is registered; "" means
// that the key is tried for every token, at most 4 for one. Key is an *rsa.PrivateKey,
// *ecdsa.PrivateKey or *ecdh.PrivateKey. It redacts itself in fmt, log/slog and encoding.
type DecryptionKey = jose.DecryptionKey

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
	inner, err := jose.Decrypt(c.raw, c.v.MaxSize, jose.DecryptionAlgsWith(c.v.InsecureRSAOAEP), jose.PrivateKeys(c.v.DecryptionKeys))
	if err != nil {
		return true, err
	}
	if jose.IsEncrypted(string(inner)) {
		return true, errNested
	}
	c.raw = string(inner)
	return true, nil
}
