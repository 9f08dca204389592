package badtoken

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/asn1"
	"encoding/base64"
	"math/big"
	"strings"

	"github.com/countersign/countersign/internal/optest"
)

// signatures returns tokens with a signature that does not match.
func signatures(b Base) []Case {
	good := b.Good()
	cut := strings.LastIndexByte(good, '.')
	signed := good[:cut]
	sig, err := base64.RawURLEncoding.DecodeString(good[cut+1:])
	if err != nil {
		panic(err)
	}
	zero := make([]byte, len(sig))
	all := map[string][]byte{
		"of zeros": zero, "one byte": {0}, "one byte shorter": sig[:len(sig)-1], "one byte longer": append(append([]byte{}, sig...), 0), "after a zero": append([]byte{0}, sig...),
		"without its first byte": sig[1:], "twice": append(append([]byte{}, sig...), sig...), "reversed": reversed(sig), "of ones": filled(len(sig), 0xff),
		"of 8 KiB": make([]byte, 8<<10), "of the payload alone": b.Key.Signature(strings.Split(signed, ".")[1]), "of another token": b.Key.Signature(signed + "x"),
		"of the payload with its dots": b.Key.Signature("." + signed), "the digest itself": digest(signed),
	}
	for _, bit := range []int{0, 7, 8*len(sig)/2 + 3, 8*len(sig) - 1} {
		all[sprint("with bit %d turned", bit)] = turned(sig, bit)
	}
	switch k := b.Key.Private.(type) {
	case *ecdsa.PrivateKey:
		ecdsaSignatures(all, k, sig)
	case *rsa.PrivateKey:
		rsaSignatures(all, k, b.Key.Alg, signed)
	}
	tokens := map[string]string{}
	for name, s := range all {
		tokens[name] = signed + "." + optest.B64(s)
	}
	other := strings.Split(b.sign(nil, map[string]any{"sub": "mallory"}), ".")
	parts := strings.Split(good, ".")
	tokens["under another payload"] = parts[0] + "." + other[1] + "." + parts[2]
	tokens["under another header"] = optest.B64([]byte(b.header()+" ")) + "." + parts[1] + "." + parts[2]
	tokens["by another key of the same kid"] = optest.NewKey(b.Key.ID+"'", b.Key.Alg).Sign(b.Claims, overlay(map[string]any{"kid": b.Key.ID}, b.Header))
	return list("signature", tokens)
}

func digest(s string) []byte {
	sum := sha256.Sum256([]byte(s))
	return sum[:]
}

func filled(n int, c byte) []byte {
	out := make([]byte, n)
	for i := range out {
		out[i] = c
	}
	return out
}

func reversed(b []byte) []byte {
	out := make([]byte, len(b))
	for i, c := range b {
		out[len(b)-1-i] = c
	}
	return out
}

func turned(b []byte, bit int) []byte {
	out := append([]byte{}, b...)
	out[bit/8] ^= 1 << (bit % 8)
	return out
}

// ecdsaSignatures adds signatures that verifiers without range checks accept, and valid
// signatures in the other encoding.
func ecdsaSignatures(all map[string][]byte, k *ecdsa.PrivateKey, sig []byte) {
	half := len(sig) / 2
	r, s := new(big.Int).SetBytes(sig[:half]), new(big.Int).SetBytes(sig[half:])
	n := k.Params().N
	join := func(a, b *big.Int) []byte {
		return append(a.FillBytes(make([]byte, half)), b.FillBytes(make([]byte, half))...)
	}
	der, err := asn1.Marshal(struct{ R, S *big.Int }{r, s})
	if err != nil {
		panic(err)
	}
	one := big.NewInt(1)
	all["in DER"] = der
	all["r and s of n"] = join(n, n)
	all["r of 0"] = join(new(big.Int), s)
	all["s of 0"] = join(r, new(big.Int))
	all["r and s of 1"] = join(one, one)
	all["r of n, s of 1"] = join(n, one)
	all["swapped"] = append(append([]byte{}, sig[half:]...), sig[:half]...)
	all["r without its zeros, longer s"] = append(append([]byte{0}, sig[:half]...), append([]byte{0}, sig[half:]...)...)
}

// rsaSignatures adds signatures with other paddings, and numbers that are their own root.
func rsaSignatures(all map[string][]byte, k *rsa.PrivateKey, alg, signed string) {
	sum := digest(signed)
	size := k.Size()
	for name, v := range map[string]*big.Int{"the number 1": big.NewInt(1), "n - 1": new(big.Int).Sub(k.N, big.NewInt(1)), "n": k.N} {
		all[name] = v.FillBytes(make([]byte, size))
	}
	bare, err := rsa.SignPKCS1v15(rand.Reader, k, 0, sum)
	all["without the name of the hash"] = must(bare, err)
	all["with the name of another hash"] = must(rsa.SignPKCS1v15(rand.Reader, k, crypto.SHA384, append(sum, sum[:16]...)))
	for name, salt := range map[string]int{"no salt": 0, "a salt of 20": 20, "the longest salt": rsa.PSSSaltLengthAuto} {
		opts := &rsa.PSSOptions{SaltLength: salt, Hash: crypto.SHA256}
		if salt == 0 {
			continue // Go interprets 0 as the longest salt
		}
		all["PSS with "+name] = must(rsa.SignPSS(rand.Reader, k, crypto.SHA256, sum, opts))
	}
	if strings.HasPrefix(alg, "RS") {
		all["PSS"] = must(rsa.SignPSS(rand.Reader, k, crypto.SHA256, sum, &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash}))
	} else {
		all["PKCS 1"] = must(rsa.SignPKCS1v15(rand.Reader, k, crypto.SHA256, sum))
	}
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// encrypted returns encrypted tokens for a verifier without decryption keys, and tokens with
// forbidden algorithms: RFC 8725 §2.3, §3.2, §3.6.
func encrypted(b Base) []Case {
	tokens := map[string]string{}
	for name, header := range map[string]string{
		"dir": `{"alg":"dir","enc":"A128GCM"}`, "RSA1_5": `{"alg":"RSA1_5","enc":"A128CBC-HS256"}`, "RSA-OAEP": `{"alg":"RSA-OAEP","enc":"A256GCM"}`,
		"RSA-OAEP-256": `{"alg":"RSA-OAEP-256","enc":"A256GCM"}`, "ECDH-ES": `{"alg":"ECDH-ES","enc":"A256GCM","epk":{"kty":"EC","crv":"P-256","x":"AA","y":"AA"}}`,
		"A256KW": `{"alg":"A256KW","enc":"A256GCM"}`, "PBES2 with many rounds": `{"alg":"PBES2-HS256+A128KW","enc":"A128GCM","p2c":2147483647,"p2s":"AAAAAAAAAAA"}`,
		"zip": `{"alg":"RSA-OAEP-256","enc":"A256GCM","zip":"DEF"}`, "none": `{"alg":"none","enc":"none"}`, "no enc": `{"alg":"RSA-OAEP-256"}`, "a signature's alg": sprint(`{"alg":%q,"enc":"A256GCM"}`, b.Key.Alg),
	} {
		h := optest.B64([]byte(header))
		tokens[name] = h + "." + optest.B64(make([]byte, 256)) + "." + optest.B64(make([]byte, 12)) + "." + optest.B64([]byte(b.Good())) + "." + optest.B64(make([]byte, 16))
		tokens[name+", all parts empty"] = h + "...."
	}
	return list("encrypted", tokens)
}
