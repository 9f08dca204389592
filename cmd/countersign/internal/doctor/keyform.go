package doctor

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"math/big"
	"slices"
	"strings"
)

// notASet says what is wrong with a document that should be a key set.
func notASet(body []byte) string {
	const not = "this is not a JWK Set (RFC 7517 section 5)"
	var members map[string]json.RawMessage
	if json.Unmarshal(body, &members) != nil {
		return not
	}
	has := func(name string) bool { return members[name] != nil }
	switch {
	case has("keys"):
		return not + ": keys is not a list"
	case has("kty"):
		return not + ". It is a single key: put the key into {\"keys\": […]}"
	case has("jwks_uri") || has("token_endpoint"):
		return not + ". It is metadata: correct jwks_uri at the server"
	case strings.Contains(string(body), "-----BEGIN"):
		return not + ". It has certificates in PEM: look for another address of the server with a JWK Set"
	}
	return not
}

// notAKey says why an element is not a JWK.
func notAKey(raw json.RawMessage) string {
	var members map[string]any
	if json.Unmarshal(raw, &members) != nil {
		return "is not a JWK"
	}
	for _, name := range []string{"kty", "kid", "use", "alg", "crv", "n", "e", "x", "y"} {
		if _, isText := members[name].(string); members[name] != nil && !isText {
			return "is not a JWK: " + name + " is not a string"
		}
	}
	return "is not a JWK"
}

// otherUses are registered algorithms of keys that do not sign what this module verifies.
var otherUses = []string{
	"HS256", "HS384", "HS512", "ES256K", "Ed448", "none", "dir", "A128KW", "A192KW", "A256KW", "A128GCMKW", "A192GCMKW", "A256GCMKW",
	"RSA1_5", "RSA-OAEP", "RSA-OAEP-256", "RSA-OAEP-384", "RSA-OAEP-512", "ECDH-ES", "ECDH-ES+A128KW", "ECDH-ES+A192KW", "ECDH-ES+A256KW",
}

// unregistered reports an alg that no specification has.
func (k jwk) unregistered() bool {
	return k.Alg != "" && !slices.Contains(known, k.Alg) && !slices.Contains(otherUses, k.Alg) && !strings.HasPrefix(k.Alg, "ML-DSA-") && !strings.HasPrefix(k.Alg, "PBES2-")
}

// foreign reports a key of a type or curve that this module does not have, or that cannot sign.
// A set may contain such a key, and clients skip it (RFC 7517 section 5).
func (k jwk) foreign() bool {
	switch k.Kty {
	case "EC":
		return k.Crv != "" && sizes[k.Crv] == 0
	case "OKP":
		return k.Crv != "" && k.Crv != "Ed25519"
	case "", "RSA", "oct":
		return false
	}
	return true
}

// sizes of the numbers of EC keys, in bytes (RFC 7518 section 6.2.1.2).
var sizes = map[string]int{"P-256": 32, "P-384": 48, "P-521": 66}

// malformed says what is wrong with the numbers of a key. It returns "" for correct ones.
func (k jwk) malformed() string {
	switch {
	case k.Kty == "":
		return "kty is missing (RFC 7517 section 4.1)"
	case k.Kty == "RSA" && (k.N == "" || k.E == "") && len(k.X5c) > 0:
		return "n or e is missing: a certificate (x5c) does not replace them (RFC 7518 section 6.3.1)"
	case k.Kty == "RSA" && (k.N == "" || k.E == ""):
		return "n or e is missing (RFC 7518 section 6.3.1)"
	}
	for name, value := range map[string]string{"x": k.X, "y": k.Y} {
		if size := sizes[k.Crv]; k.Kty == "EC" && size > 0 && len(decoded(value)) != size {
			return fmt.Sprintf("%s has %d bytes, expected %d, with zeros in front (RFC 7518 section 6.2.1.2)", name, len(decoded(value)), size)
		}
	}
	return ""
}

// decoded returns nil for a text that is not base64url.
func decoded(s string) []byte {
	data, err := base64.RawURLEncoding.DecodeString(s)
	if err != nil {
		return nil
	}
	return data
}

func even(n string) bool {
	value := new(big.Int).SetBytes(decoded(n))
	return value.Sign() > 0 && value.Bit(0) == 0
}

// contradicts reports members of a key that do not go together (RFC 7517 sections 4.2, 4.3).
func (x *examination) contradicts(name string, k jwk) {
	encrypts := slices.ContainsFunc(k.KeyOps, func(op string) bool {
		return op == "encrypt" || op == "wrapKey" || op == "deriveKey" || op == "deriveBits"
	})
	switch {
	case k.Use != "" && k.Use != "sig" && k.Use != "enc":
		x.report.warn(keysTopic, fmt.Sprintf("%s has use %q, expected sig or enc", name, cut(k.Use)), "the key is not used: correct it at the server")
	case k.Use == "enc" && slices.Contains(k.KeyOps, "verify"):
		x.report.warn(keysTopic, name+" has use enc, and verify in key_ops", "the key is not used for signatures: correct use or key_ops at the server")
	case k.Use == "sig" && encrypts:
		x.report.warn(keysTopic, name+" has use sig, and key_ops for encryption", "correct use or key_ops at the server")
	}
}
