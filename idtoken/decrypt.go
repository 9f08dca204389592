package idtoken

import (
	"github.com/countersign/countersign/internal/jose"
)

// DecryptionKey is a private key of the client for encrypted ID tokens. It is used with
// RSA-OAEP-256 (RSA) or ECDH-ES, ECDH-ES+A128KW, +A192KW and +A256KW (EC, X25519), and AES in
// GCM or CBC-HS mode. KeyID is the kid under which the public key is registered; "" means
// that the key is tried for every token, at most 4 for one. Key is an *rsa.PrivateKey,
// *ecdsa.PrivateKey or *ecdh.PrivateKey. It redacts itself in fmt, log/slog and encoding.
type DecryptionKey = jose.DecryptionKey

// decrypt replaces c.raw by the inner token if the outer one is encrypted, and says whether it
// was. The inner one must be a JWS (OpenID Connect Core §2).
func (c *check) decrypt() (encrypted bool, err error) {
	inner, encrypted, err := jose.OpenNested(c.raw, c.v.MaxSize, jose.DecryptionAlgsWith(c.v.InsecureRSAOAEP), c.v.DecryptionKeys)
	if err == nil {
		c.raw = inner
	}
	return encrypted, err
}
