package rs

import "github.com/countersign/countersign/internal/jose"

// DecryptionKey is a private key of this API, for encrypted access tokens and introspection
// responses. It is used with RSA-OAEP-256 (RSA) or ECDH-ES, ECDH-ES+A128KW, +A192KW and
// +A256KW (EC, X25519), and AES in GCM or CBC-HS mode. KeyID is the kid under which the public
// key is registered; "" means that the key is tried for every token, at most 4 for one. Key is
// an *rsa.PrivateKey, *ecdsa.PrivateKey or *ecdh.PrivateKey. It redacts itself in fmt, log/slog
// and encoding.
type DecryptionKey = jose.DecryptionKey

// decrypt gives the signed token: token itself where no encryption was agreed on.
func (j *JWT) decrypt(token string) (string, error) {
	if len(j.DecryptionKeys) == 0 {
		return token, nil
	}
	return decrypt(token, j.MaxSize, jose.DecryptionAlgsWith(j.InsecureRSAOAEP), j.DecryptionKeys)
}

// decrypt opens a JWE. What is in it must be a JWS (RFC 9068 §4, RFC 8725 §3.3).
func decrypt(token string, max int, algs []string, own []DecryptionKey) (string, error) {
	inner, _, err := jose.OpenNested(token, max, algs, own)
	return inner, err
}
