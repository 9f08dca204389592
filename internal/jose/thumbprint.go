package jose

import (
	"crypto"
	"crypto/ecdh"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math/big"
)

var errJWK = errors.New("cannot encode the key as a JWK")

// PublicJWK returns the public part of the Signer's key as a JWK with the required members
// only, and its SHA-256 thumbprint (RFC 7638).
func (s *Signer) PublicJWK() (raw json.RawMessage, thumbprint string, err error) {
	if s.key == nil {
		return nil, "", errJWK // a secret has no public part
	}
	return PublicJWK(s.key.Public())
}

// PublicJWK encodes a public key as a JWK and returns it with its SHA-256 thumbprint.
func PublicJWK(key crypto.PublicKey) (raw json.RawMessage, thumbprint string, err error) {
	if raw, thumbprint, ok := mlDSAJWK(key); ok {
		return raw, thumbprint, nil
	}
	members, err := publicMembers(key)
	if err != nil {
		return nil, "", err
	}
	if raw, err = json.Marshal(members); err != nil { // sorted and without spaces (RFC 7638 §3)
		return nil, "", errJWK
	}
	sum := sha256.Sum256(raw)
	return raw, encode(sum[:]), nil
}

// publicMembers returns the required members of a JWK (RFC 7638 §3.2).
func publicMembers(key crypto.PublicKey) (map[string]string, error) {
	switch k := key.(type) {
	case *rsa.PublicKey:
		return map[string]string{"kty": "RSA", "n": encode(k.N.Bytes()), "e": encode(big.NewInt(int64(k.E)).Bytes())}, nil
	case *ecdsa.PublicKey:
		name := k.Curve.Params().Name
		if point, err := k.Bytes(); err == nil && curves[text(name)].curve != nil {
			return ecMembers(name, point), nil
		}
	case ed25519.PublicKey:
		return map[string]string{"kty": "OKP", "crv": "Ed25519", "x": encode(k)}, nil
	case *ecdh.PublicKey:
		if k.Curve() == ecdh.X25519() {
			return map[string]string{"kty": "OKP", "crv": "X25519", "x": encode(k.Bytes())}, nil
		}
		return ecMembers(fmt.Sprint(k.Curve()), k.Bytes()), nil
	}
	return nil, errJWK
}

// ecMembers splits an uncompressed point.
func ecMembers(crv string, point []byte) map[string]string {
	size := len(point) / 2
	return map[string]string{"kty": "EC", "crv": crv, "x": encode(point[1 : 1+size]), "y": encode(point[1+size:])}
}

// SignEmbedded is Sign for a JWT with its key in the header. It adds no kid.
func (s *Signer) SignEmbedded(header map[string]any, claims any) (string, error) {
	anonymous := *s
	anonymous.keyID = ""
	return anonymous.Sign(maps.Clone(header), claims)
}
