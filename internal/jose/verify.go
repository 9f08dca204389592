package jose

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/hmac"
	"crypto/rsa"
	"crypto/sha256"
	"errors"
	"fmt"
)

// ErrSignature reports that the signature does not verify with the key that the token's
// header refers to.
var ErrSignature = errors.New("the signature does not verify")

// errServerSignature is ErrSignature for a key of the server's key set.
var errServerSignature = fmt.Errorf("%w: the token was changed, or the server published a new key under an old kid. Compare the issuer, and check the server's JWKS", ErrSignature)

// verify verifies t's signature with one key that fits the algorithm.
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
		ok = verifyEdDSA(t, k)
	case mlDSAKey:
		ok = k.verify([]byte(t.signed), t.signature)
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

// onStack is the maximum length of a token that is hashed on the stack. A conversion would
// copy it to the heap.
const onStack = 2 << 10

func verifyEdDSA(t *Token, k ed25519.PublicKey) bool {
	var buf [onStack]byte
	if len(t.signed) <= len(buf) {
		return ed25519.Verify(k, buf[:copy(buf[:], t.signed)], t.signature)
	}
	return ed25519.Verify(k, []byte(t.signed), t.signature)
}

func (a *algorithm) digest(t *Token) []byte {
	var buf [onStack]byte
	if a.hash == crypto.SHA256 && len(t.signed) <= len(buf) {
		sum := sha256.Sum256(buf[:copy(buf[:], t.signed)])
		return sum[:]
	}
	h := a.hash.New()
	h.Write([]byte(t.signed))
	return h.Sum(nil)
}

var pssOptions = &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash}

// verifyRSA requires a PSS salt of the length of the hash, RFC 7518 §3.5. The library's
// default would accept any length.
func (a *algorithm) verifyRSA(t *Token, k *rsa.PublicKey) bool {
	if a.family == rsaPSS {
		return rsa.VerifyPSS(k, a.hash, a.digest(t), t.signature, pssOptions) == nil
	}
	return rsa.VerifyPKCS1v15(k, a.hash, a.digest(t), t.signature) == nil
}

// verifyECDSA requires R and S of exactly the curve's size, RFC 7518 §3.4. It passes them on
// in DER, because the library's function for two numbers converts them to DER as well.
func (a *algorithm) verifyECDSA(t *Token, k *ecdsa.PublicKey) bool {
	size := (a.curve.Params().BitSize + 7) / 8
	if len(t.signature) != 2*size {
		return false
	}
	var buf [2*66 + 16]byte
	return ecdsa.VerifyASN1(k, a.digest(t), derSignature(buf[:0], t.signature[:size], t.signature[size:]))
}

// derSignature encodes the ECDSA-Sig-Value of RFC 3279 §2.2.3.
func derSignature(to, r, s []byte) []byte {
	r, s = trimInteger(r), trimInteger(s)
	length := integerLength(r) + integerLength(s)
	to = append(to, 0x30)
	if length >= 0x80 {
		to = append(to, 0x81)
	}
	to = append(to, byte(length))
	return appendInteger(appendInteger(to, r), s)
}

// trimInteger removes leading zeros but keeps one byte for zero, as DER requires, X.690
// §8.3.2.
func trimInteger(b []byte) []byte {
	for len(b) > 1 && b[0] == 0 {
		b = b[1:]
	}
	return b
}

func integerLength(b []byte) int { return 2 + len(b) + int(b[0]>>7) }

func appendInteger(to, b []byte) []byte {
	to = append(to, 0x02, byte(len(b)+int(b[0]>>7)))
	if b[0]>>7 == 1 { // a set top bit would make the number negative
		to = append(to, 0)
	}
	return append(to, b...)
}
