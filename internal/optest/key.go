// Package optest is the fake server of the module's own tests: an OpenID provider
// whose every answer a test can replace, and the keys and signatures to go with it.
// What it accepts proves little; it is there for the faults that no real server
// has to offer.
package optest

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
	"fmt"
	"math/big"
	"strings"
	"sync"
)

// Key signs, under a kid and one algorithm. Private is nil for HMAC, Secret for the others.
type Key struct {
	ID      string
	Alg     string
	Private crypto.Signer
	Secret  []byte
}

// rsaKeys are made once a process: they take long.
var rsaKeys sync.Map

// NewKey makes a key for alg. Keys of the same alg and kid are the same RSA key.
func NewKey(id, alg string) Key {
	k := Key{ID: id, Alg: alg}
	switch alg[:2] {
	case "RS", "PS":
		made, ok := rsaKeys.Load(alg + id)
		if !ok {
			made, _ = rsaKeys.LoadOrStore(alg+id, must(rsa.GenerateKey(rand.Reader, 2048)))
		}
		k.Private = made.(*rsa.PrivateKey)
	case "ES":
		curve := map[string]elliptic.Curve{"ES256": elliptic.P256(), "ES384": elliptic.P384(), "ES512": elliptic.P521()}[alg]
		k.Private = must(ecdsa.GenerateKey(curve, rand.Reader))
	case "Ed":
		_, private, err := ed25519.GenerateKey(rand.Reader)
		k.Private = must(private, err)
	case "HS":
		k.Secret = []byte(strings.Repeat(id+"-secret-", 8))
	}
	return k
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// JWK is the public key as a JWK, with kid, alg and use.
func (k Key) JWK() map[string]any {
	jwk := map[string]any{"kid": k.ID, "alg": k.Alg, "use": "sig"}
	switch p := k.Private.Public().(type) {
	case *rsa.PublicKey:
		jwk["kty"], jwk["n"], jwk["e"] = "RSA", B64(p.N.Bytes()), B64(big.NewInt(int64(p.E)).Bytes())
	case *ecdsa.PublicKey:
		point := must(p.Bytes())[1:]
		size := len(point) / 2
		jwk["kty"], jwk["crv"] = "EC", p.Params().Name
		jwk["x"], jwk["y"] = B64(point[:size]), B64(point[size:])
	case ed25519.PublicKey:
		jwk["kty"], jwk["crv"], jwk["x"] = "OKP", "Ed25519", B64(p)
	}
	return jwk
}

// JWKS is a JWK Set of the keys' public parts.
func JWKS(keys ...Key) []byte {
	set := []any{}
	for _, k := range keys {
		set = append(set, k.JWK())
	}
	return must(json.Marshal(map[string]any{"keys": set}))
}

// B64 is base64url without padding.
func B64(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }

func hashOf(alg string) crypto.Hash {
	switch alg[len(alg)-3:] {
	case "384":
		return crypto.SHA384
	case "512", "DSA", "519":
		return crypto.SHA512
	}
	return crypto.SHA256
}

// Sign makes a JWS with the key's alg and kid, and typ "JWT". extra are more members
// of the header; a nil value removes one.
func (k Key) Sign(claims any, extra map[string]any) string {
	header := map[string]any{"alg": k.Alg, "kid": k.ID, "typ": "JWT"}
	for name, value := range extra {
		header[name] = value
		if value == nil {
			delete(header, name)
		}
	}
	return k.SignRaw(must(json.Marshal(header)), must(json.Marshal(claims)))
}

// SignRaw makes a JWS of a header and a payload that may be anything, by the key's alg.
func (k Key) SignRaw(header, payload []byte) string {
	signed := B64(header) + "." + B64(payload)
	return signed + "." + B64(k.Signature(signed))
}

// Signature signs any bytes by the key's alg.
func (k Key) Signature(signed string) []byte {
	hash := hashOf(k.Alg)
	if k.Secret != nil {
		mac := hmac.New(hash.New, k.Secret)
		mac.Write([]byte(signed))
		return mac.Sum(nil)
	}
	if _, ok := k.Private.(ed25519.PrivateKey); ok {
		return must(k.Private.Sign(rand.Reader, []byte(signed), crypto.Hash(0)))
	}
	h := hash.New()
	h.Write([]byte(signed))
	digest := h.Sum(nil)
	if e, ok := k.Private.(*ecdsa.PrivateKey); ok {
		return ecdsaSignature(e, digest)
	}
	var opts crypto.SignerOpts = hash
	if strings.HasPrefix(k.Alg, "PS") {
		opts = &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash, Hash: hash}
	}
	return must(k.Private.Sign(rand.Reader, digest, opts))
}

func ecdsaSignature(k *ecdsa.PrivateKey, digest []byte) []byte {
	r, s, err := ecdsa.Sign(rand.Reader, k, digest)
	if err != nil {
		panic(err)
	}
	size := (k.Params().BitSize + 7) / 8
	return append(r.FillBytes(make([]byte, size)), s.FillBytes(make([]byte, size))...)
}

// LeftHalf is at_hash, c_hash or s_hash of value under alg.
func LeftHalf(alg, value string) string {
	h := hashOf(alg).New()
	fmt.Fprint(h, value)
	sum := h.Sum(nil)
	return B64(sum[:len(sum)/2])
}
