package rs

import "github.com/countersign/countersign/internal/jose"

// DecryptionKey is a private key of this API, for encrypted access tokens and introspection
// responses. It is used with RSA-OAEP-256 (RSA) or ECDH-ES, ECDH-ES+A128KW, +A192KW and +A256KW
// (EC, X25519), and with AES in GCM or CBC-HS mode.
//
// Key is an *rsa.PrivateKey, *ecdsa.PrivateKey or *ecdh.PrivateKey. KeyID is the kid of the
// registered public key. "" means that the key is tried for every token; at most 4 keys are
// tried for one token. A DecryptionKey redacts itself in fmt and log/slog. Encoders return an
// error.
type DecryptionKey = jose.DecryptionKey

// decrypt returns the signed token inside. It returns token unchanged if there are no
// DecryptionKeys.
func (j *JWT) decrypt(token string) (string, error) {
	if len(j.DecryptionKeys) == 0 {
		return token, nil
	}
	return decrypt(token, j.MaxSize, jose.DecryptionAlgsWith(j.InsecureRSAOAEP), j.DecryptionKeys)
}

// decrypt opens a JWE. Its content must be a JWS (RFC 9068 §4, RFC 8725 §3.3).
func decrypt(token string, max int, algs []string, own []DecryptionKey) (string, error) {
	inner, _, err := jose.OpenNested(token, max, algs, own)
	return inner, err
}
