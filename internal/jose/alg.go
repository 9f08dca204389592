package jose

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	_ "crypto/sha256" // the hashes named below
	_ "crypto/sha512"
	"errors"
	"fmt"
	"slices"
)

type family int

const (
	rsaPKCS1 family = iota + 1
	rsaPSS
	ecdsaP
	edwards
	hmacSHA
	lattice // ML-DSA
)

// algorithm is a row of the table of signature algorithms, RFC 7518 §3.1, RFC 8037 §3.1 and
// RFC 9864 §2.2.
type algorithm struct {
	name   string
	family family
	hash   crypto.Hash
	curve  elliptic.Curve // for ECDSA
}

var algorithms = map[string]*algorithm{
	"RS256":   {"RS256", rsaPKCS1, crypto.SHA256, nil},
	"RS384":   {"RS384", rsaPKCS1, crypto.SHA384, nil},
	"RS512":   {"RS512", rsaPKCS1, crypto.SHA512, nil},
	"PS256":   {"PS256", rsaPSS, crypto.SHA256, nil},
	"PS384":   {"PS384", rsaPSS, crypto.SHA384, nil},
	"PS512":   {"PS512", rsaPSS, crypto.SHA512, nil},
	"ES256":   {"ES256", ecdsaP, crypto.SHA256, elliptic.P256()},
	"ES384":   {"ES384", ecdsaP, crypto.SHA384, elliptic.P384()},
	"ES512":   {"ES512", ecdsaP, crypto.SHA512, elliptic.P521()},
	"EdDSA":   {"EdDSA", edwards, crypto.SHA512, nil},
	"Ed25519": {"Ed25519", edwards, crypto.SHA512, nil},
	"HS256":   {"HS256", hmacSHA, crypto.SHA256, nil},
	"HS384":   {"HS384", hmacSHA, crypto.SHA384, nil},
	"HS512":   {"HS512", hmacSHA, crypto.SHA512, nil},
}

// CheckAlgs returns an error unless algs lists only known signature algorithms that an
// operator may configure. "none" is never allowed (RFC 8725 §3.2).
func CheckAlgs(algs []string) error {
	if len(algs) == 0 {
		return errors.New("no signature algorithm is configured")
	}
	for _, name := range algs {
		if algorithms[name] == nil && isMLDSA(name) {
			return fmt.Errorf("signature algorithm %s: %w", Quote(name), errNoMLDSA)
		}
		if algorithms[name] == nil {
			return fmt.Errorf("signature algorithm %s is not supported", Quote(name))
		}
	}
	return nil
}

// CheckAlgsOf is CheckAlgs for a setting. Its errors begin with the name of the setting.
func CheckAlgsOf(setting string, algs []string) error {
	if err := CheckAlgs(algs); err != nil {
		return fmt.Errorf("%s: %w", setting, err)
	}
	return nil
}

// CheckAlg returns an error unless the header's alg is exactly one of the configured algs
// (RFC 8725 §3.1).
func (h Header) CheckAlg(algs []string) error {
	if !slices.Contains(algs, h.Alg) {
		return fmt.Errorf("signed with %s, expected one of %q", Quote(h.Alg), algs)
	}
	return CheckAlgs(algs)
}

// IsHMAC reports whether the signature is made with a secret that the server and the recipient
// share. The server's key set has no such key.
func (h Header) IsHMAC() bool {
	a := algorithms[h.Alg]
	return a != nil && a.family == hmacSHA
}

// fits reports whether a key of this type and size may be used with the algorithm.
func (a *algorithm) fits(key any) bool {
	switch k := key.(type) {
	case *rsa.PublicKey:
		return a.family == rsaPKCS1 || a.family == rsaPSS
	case *ecdsa.PublicKey:
		return a.family == ecdsaP && k.Curve == a.curve
	case ed25519.PublicKey:
		return a.family == edwards
	case mlDSAKey:
		return a.family == lattice && k.alg() == a.name
	case secret:
		return a.family == hmacSHA && len(k) >= a.hash.Size() // RFC 7518 §3.2
	}
	return false
}

// is reports whether name refers to the algorithm. Ed25519 is another name for EdDSA with the
// only curve that is supported (RFC 9864 §2.2). Browsers write it into keys.
func (a *algorithm) is(name string) bool {
	b := algorithms[name]
	return b != nil && (a == b || a.family == edwards && b.family == edwards)
}

// LeftHalf returns the value of at_hash, c_hash and s_hash before encoding: the left half of the
// digest of value. The token's alg selects the hash function (OIDC Core 3.1.3.6).
func LeftHalf(alg, value string) ([]byte, error) {
	a := algorithms[alg]
	if a == nil || a.family == lattice { // RFC 9964 names no hash
		return nil, fmt.Errorf("alg %s has no known hash", Quote(alg))
	}
	h := a.hash.New()
	h.Write([]byte(value))
	return h.Sum(nil)[:a.hash.Size()/2], nil
}
