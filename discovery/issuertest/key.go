package issuertest

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	_ "crypto/sha256" // the hashes of hashOf
	_ "crypto/sha512"
	"encoding/base64"
	"encoding/json"
	"math/big"
	"strings"
)

// Key signs JWTs with one algorithm. Private is nil for HMAC. Secret is nil for every other
// algorithm.
type Key struct {
	output[Key]

	ID      string        // kid
	Alg     string        // JWS alg, such as ES256
	Private crypto.Signer // a private key for Alg
	Secret  []byte        // the bytes of an HMAC key
}

// NewKey generates a key for alg: RS256 to RS512, PS256 to PS512, ES256 to ES512, EdDSA,
// Ed25519 or HS256 to HS512. It panics for any other algorithm.
func NewKey(id, alg string) Key {
	k := Key{ID: id, Alg: alg}
	switch alg {
	case "RS256", "RS384", "RS512", "PS256", "PS384", "PS512":
		k.Private = must(rsa.GenerateKey(rand.Reader, 2048))
	case "ES256", "ES384", "ES512":
		curve := map[string]elliptic.Curve{"ES256": elliptic.P256(), "ES384": elliptic.P384(), "ES512": elliptic.P521()}[alg]
		k.Private = must(ecdsa.GenerateKey(curve, rand.Reader))
	case "EdDSA", "Ed25519":
		_, private, err := ed25519.GenerateKey(rand.Reader)
		k.Private = must(private, err)
	case "HS256", "HS384", "HS512":
		k.Secret = []byte(rand.Text() + rand.Text() + rand.Text())
	default:
		panic("issuertest: no key for alg " + alg)
	}
	return k
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// JWK returns the public key as a JWK (RFC 7517) with kid, alg and use. It is nil for HMAC.
func (k Key) JWK() map[string]any {
	if k.Private == nil {
		return nil
	}
	jwk := map[string]any{"kid": k.ID, "alg": k.Alg, "use": "sig"}
	switch p := k.Private.Public().(type) {
	case *rsa.PublicKey:
		jwk["kty"], jwk["n"], jwk["e"] = "RSA", encode(p.N.Bytes()), encode(big.NewInt(int64(p.E)).Bytes())
	case *ecdsa.PublicKey:
		point := must(p.Bytes())[1:]
		size := len(point) / 2
		jwk["kty"], jwk["crv"] = "EC", p.Params().Name
		jwk["x"], jwk["y"] = encode(point[:size]), encode(point[size:])
	case ed25519.PublicKey:
		jwk["kty"], jwk["crv"], jwk["x"] = "OKP", "Ed25519", encode(p)
	}
	return jwk
}

// JWKS returns the JWK Set of the keys' public parts.
func JWKS(keys ...Key) []byte { return jwks(keys, nil) }

// jwks adds an encryption key to the set, nil for none.
func jwks(keys []Key, encryption *ecdsa.PrivateKey) []byte {
	set := []any{}
	for _, k := range keys {
		if jwk := k.JWK(); jwk != nil {
			set = append(set, jwk)
		}
	}
	if encryption != nil {
		jwk := Key{ID: encryptionKeyID, Private: encryption}.JWK()
		jwk["use"] = "enc"
		delete(jwk, "alg") // any of requestEncryption
		set = append(set, jwk)
	}
	return must(json.Marshal(map[string]any{"keys": set}))
}

func encode(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }

func hashOf(alg string) crypto.Hash {
	switch alg[len(alg)-3:] {
	case "384":
		return crypto.SHA384
	case "512", "DSA", "519":
		return crypto.SHA512
	}
	return crypto.SHA256
}

// Sign returns a JWS in compact form with the key's alg and kid, and typ "JWT". The members
// of header replace them. A nil value removes a member.
func (k Key) Sign(claims any, header map[string]any) string {
	all := overlay(map[string]any{"alg": k.Alg, "kid": k.ID, "typ": "JWT"}, header)
	return k.SignRaw(must(json.Marshal(all)), must(json.Marshal(claims)))
}

// SignRaw returns a JWS with any header and payload. The signature always uses the key's alg.
func (k Key) SignRaw(header, payload []byte) string {
	signed := encode(header) + "." + encode(payload)
	return signed + "." + encode(k.Signature(signed))
}

// Signature signs any text.
func (k Key) Signature(text string) []byte {
	hash := hashOf(k.Alg)
	if k.Secret != nil {
		mac := hmac.New(hash.New, k.Secret)
		mac.Write([]byte(text))
		return mac.Sum(nil)
	}
	if _, ok := k.Private.(ed25519.PrivateKey); ok {
		return must(k.Private.Sign(rand.Reader, []byte(text), crypto.Hash(0)))
	}
	h := hash.New()
	h.Write([]byte(text))
	if e, ok := k.Private.(*ecdsa.PrivateKey); ok {
		return ecdsaSignature(e, h.Sum(nil))
	}
	var opts crypto.SignerOpts = hash
	if strings.HasPrefix(k.Alg, "PS") {
		opts = &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash, Hash: hash}
	}
	return must(k.Private.Sign(rand.Reader, h.Sum(nil), opts))
}

// ecdsaSignature is R and S at full length, RFC 7518 §3.4.
func ecdsaSignature(k *ecdsa.PrivateKey, digest []byte) []byte {
	r, s, err := ecdsa.Sign(rand.Reader, k, digest)
	if err != nil {
		panic(err)
	}
	size := (k.Params().BitSize + 7) / 8
	return append(r.FillBytes(make([]byte, size)), s.FillBytes(make([]byte, size))...)
}

// LeftHalf returns at_hash, c_hash or s_hash for value (OpenID Connect Core §3.1.3.6): the
// left half of its hash. alg selects the hash function.
func LeftHalf(alg, value string) string {
	h := hashOf(alg).New()
	h.Write([]byte(value))
	sum := h.Sum(nil)
	return encode(sum[:len(sum)/2])
}

// overlay copies the members of more into base and returns base. A nil value removes a
// member.
func overlay(base, more map[string]any) map[string]any {
	for name, value := range more {
		base[name] = value
		if value == nil {
			delete(base, name)
		}
	}
	return base
}
