package jose

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/hmac"
	"crypto/rsa"
	"errors"
	"math/big"
)

// ErrSignature says that a signature does not verify under the key that the
// token's header leads to.
var ErrSignature = errors.New("the signature does not verify")

// verify checks t's signature under one key that fits the algorithm.
func (a *algorithm) verify(t *Token, key any) error {
	if !a.fits(key) {
		return ErrSignature
	}
	ok := false
	switch k := key.(type) {
	case *rsa.PublicKey:
		ok = a.verifyRSA(t, k)
	case *ecdsa.PublicKey:
		ok = a.verifyECDSA(t, k)
	case ed25519.PublicKey:
		ok = ed25519.Verify(k, []byte(t.signed), t.signature)
	case secret:
		mac := hmac.New(a.hash.New, k)
		mac.Write([]byte(t.signed))
		ok = hmac.Equal(mac.Sum(nil), t.signature)
	}
	if !ok {
		return ErrSignature
	}
	return nil
}

func (a *algorithm) digest(t *Token) []byte {
	h := a.hash.New()
	h.Write([]byte(t.signed))
	return h.Sum(nil)
}

// verifyRSA fixes the PSS salt to the length of the hash, RFC 7518 §3.5: the
// library's default would take any.
func (a *algorithm) verifyRSA(t *Token, k *rsa.PublicKey) bool {
	if a.family == rsaPSS {
		return rsa.VerifyPSS(k, a.hash, a.digest(t), t.signature, &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash}) == nil
	}
	return rsa.VerifyPKCS1v15(k, a.hash, a.digest(t), t.signature) == nil
}

// verifyECDSA takes R and S of exactly the curve's size, RFC 7518 §3.4.
func (a *algorithm) verifyECDSA(t *Token, k *ecdsa.PublicKey) bool {
	size := (a.curve.Params().BitSize + 7) / 8
	if len(t.signature) != 2*size {
		return false
	}
	r := new(big.Int).SetBytes(t.signature[:size])
	s := new(big.Int).SetBytes(t.signature[size:])
	return ecdsa.Verify(k, a.digest(t), r, s)
}
