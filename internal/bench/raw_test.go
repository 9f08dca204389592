package bench

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"math/big"
	"strings"
)

var errRaw = errors.New("bad")

// claims are the claims that raw reads.
type claims struct {
	Issuer   string   `json:"iss"`
	Subject  string   `json:"sub"`
	Audience string   `json:"aud"`
	ClientID string   `json:"client_id"`
	Expiry   int64    `json:"exp"`
	IssuedAt int64    `json:"iat"`
	ID       string   `json:"jti"`
	Scope    string   `json:"scope"`
	ACR      string   `json:"acr"`
	AuthTime int64    `json:"auth_time"`
	AMR      []string `json:"amr"`
}

// signature is the standard library's check of the signature only.
func (s *setup) signature(signed string, sig []byte) bool {
	switch k := s.key.Private.Public().(type) {
	case *rsa.PublicKey:
		digest := sha256.Sum256([]byte(signed))
		if s.key.Alg == "PS256" {
			return rsa.VerifyPSS(k, crypto.SHA256, digest[:], sig, nil) == nil
		}
		return rsa.VerifyPKCS1v15(k, crypto.SHA256, digest[:], sig) == nil
	case *ecdsa.PublicKey:
		digest := sha256.Sum256([]byte(signed))
		return ecdsa.Verify(k, digest[:], new(big.Int).SetBytes(sig[:32]), new(big.Int).SetBytes(sig[32:]))
	case ed25519.PublicKey:
		return ed25519.Verify(k, []byte(signed), sig)
	}
	return false
}

// raw verifies the signature and decodes the claims with base64 and encoding/json. It checks
// neither the claims nor the header.
func (s *setup) raw(_ context.Context, token string) error {
	cut := strings.LastIndexByte(token, '.')
	first := strings.IndexByte(token, '.')
	sig, err := decode(token[cut+1:])
	if err != nil || !s.signature(token[:cut], sig) {
		return errRaw
	}
	payload, err := decode(token[first+1 : cut])
	if err != nil {
		return err
	}
	var c claims
	return json.Unmarshal(payload, &c)
}

// signatureOnly is the lower limit for every library.
func (s *setup) signatureOnly(_ context.Context, token string) error {
	cut := strings.LastIndexByte(token, '.')
	sig, err := decode(token[cut+1:])
	if err != nil || !s.signature(token[:cut], sig) {
		return errRaw
	}
	return nil
}
