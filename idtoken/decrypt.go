package idtoken

import (
	"github.com/countersign/countersign/internal/jose"
)

// DecryptionKey is a private key of the client for encrypted ID tokens. It supports
// RSA-OAEP-256 (RSA) and ECDH-ES, ECDH-ES+A128KW, +A192KW and +A256KW (EC, X25519), with AES
// in GCM or CBC-HS mode. KeyID is the kid of the registered public key. "" means that the key
// is tried for every token; at most 4 keys are tried for one token. Key is an
// *rsa.PrivateKey, *ecdsa.PrivateKey or *ecdh.PrivateKey. It redacts itself in fmt and
// log/slog. Encoders return an error.
type DecryptionKey = jose.DecryptionKey

// decrypt replaces c.raw with the inner token if the outer token is encrypted, and reports
// whether it was. The inner token must be a JWS (OpenID Connect Core §2).
func (c *check) decrypt() (encrypted bool, err error) {
	inner, encrypted, err := jose.OpenNested(c.raw, c.v.MaxSize, jose.DecryptionAlgsWith(c.v.InsecureRSAOAEP), c.v.DecryptionKeys)
	if err == nil {
		c.raw = inner
	}
	return encrypted, err
}
