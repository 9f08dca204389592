// Package optest is the server of the module's own tests: an issuertest.Issuer without TLS. A
// test can replace each response, and the issuer accepts what the tests check by themselves.
// A new test should start with issuertest.
package optest

import (
	"encoding/base64"
	"strings"
	"sync"

	"github.com/countersign/countersign/discovery/issuertest"
)

// Key signs under a kid with one algorithm.
type Key = issuertest.Key

// rsaKeys are made once in a process: each needs a tenth of a second.
var rsaKeys sync.Map

// NewKey makes a key for alg. Keys of the same alg and kid are the same RSA key or the same
// secret.
func NewKey(id, alg string) Key {
	switch alg[:2] {
	case "HS":
		return Key{ID: id, Alg: alg, Secret: []byte(strings.Repeat(id+"-secret-", 8))}
	case "RS", "PS":
		made, ok := rsaKeys.Load(alg + id)
		if !ok {
			made, _ = rsaKeys.LoadOrStore(alg+id, issuertest.NewKey(id, alg))
		}
		return made.(Key)
	}
	return issuertest.NewKey(id, alg)
}

// JWKS is a JWK Set of the keys' public parts.
func JWKS(keys ...Key) []byte { return issuertest.JWKS(keys...) }

// B64 is base64url without padding.
func B64(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }

// LeftHalf is at_hash, c_hash or s_hash of value under alg.
func LeftHalf(alg, value string) string { return issuertest.LeftHalf(alg, value) }
