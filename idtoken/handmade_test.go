package idtoken_test

import (
	"bytes"
	"compress/flate"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/json"
	"strings"
	"testing"

	"github.com/countersign/countersign/idtoken"
	"github.com/countersign/countersign/internal/optest"
)

// gcmJWE makes a JWE without a library: RSA-OAEP-256 and AES-GCM with a CEK of any size and any
// header.
func gcmJWE(t *testing.T, header string, cekSize int, plain []byte) string {
	cek := make([]byte, cekSize)
	rand.Read(cek)
	ek, err := rsa.EncryptOAEP(sha256.New(), rand.Reader, &rsaKey.PublicKey, cek, nil)
	if err != nil {
		t.Fatal(err)
	}
	h := optest.B64([]byte(header))
	block, err := aes.NewCipher(cek)
	if err != nil {
		t.Fatal(err)
	}
	gcm, _ := cipher.NewGCM(block)
	iv := make([]byte, 12)
	rand.Read(iv)
	out := gcm.Seal(nil, iv, plain, []byte(h))
	ct, tag := out[:len(out)-16], out[len(out)-16:]
	return strings.Join([]string{h, optest.B64(ek), optest.B64(iv), optest.B64(ct), optest.B64(tag)}, ".")
}

// TestHandMadeJWE: messages that libraries do not make. Their tags are right, so only the tested
// check can reject them. TOK-18, H21.
func TestHandMadeJWE(t *testing.T) {
	good := key.Sign(goodClaims(), nil)
	v := verifier(t)
	v.DecryptionKeys = []idtoken.DecryptionKey{{KeyID: "enc", Key: rsaKey}}
	var z bytes.Buffer
	w, _ := flate.NewWriter(&z, 9)
	w.Write([]byte(good))
	w.Close()
	for _, c := range []struct {
		name, header string
		cek          int
		plain        []byte
		ok           bool
	}{
		{"good", `{"alg":"RSA-OAEP-256","enc":"A256GCM","cty":"JWT","kid":"enc"}`, 32, []byte(good), true},
		{"no cty", `{"alg":"RSA-OAEP-256","enc":"A256GCM","kid":"enc"}`, 32, []byte(good), true},
		{"cty application/jwt", `{"alg":"RSA-OAEP-256","enc":"A256GCM","cty":"application/jwt","kid":"enc"}`, 32, []byte(good), true},
		{"zip", `{"alg":"RSA-OAEP-256","enc":"A256GCM","zip":"DEF"}`, 32, z.Bytes(), false},
		{"zip, plain", `{"alg":"RSA-OAEP-256","enc":"A256GCM","zip":"DEF"}`, 32, []byte(good), false},
		{"CEK of 16 for A256GCM", `{"alg":"RSA-OAEP-256","enc":"A256GCM"}`, 16, []byte(good), false},
		{"CEK of 32 for A128GCM", `{"alg":"RSA-OAEP-256","enc":"A128GCM"}`, 32, []byte(good), false},
		{"crit", `{"alg":"RSA-OAEP-256","enc":"A256GCM","crit":["x"],"x":1}`, 32, []byte(good), false},
		{"another cty", `{"alg":"RSA-OAEP-256","enc":"A256GCM","cty":"json"}`, 32, []byte(good), false},
		{"claims", `{"alg":"RSA-OAEP-256","enc":"A256GCM"}`, 32, []byte(mustJSON(t, goodClaims())), false},
		{"whitespace around", `{"alg":"RSA-OAEP-256","enc":"A256GCM"}`, 32, []byte(" " + good), false},
	} {
		_, err := v.Verify(t.Context(), gcmJWE(t, c.header, c.cek, c.plain), idtoken.Expected{})
		if (err == nil) != c.ok {
			t.Errorf("%s: %v", c.name, err)
		}
	}
}

// TestEPK: invalid ephemeral keys. TOK-18.
func TestEPK(t *testing.T) {
	good := key.Sign(goodClaims(), nil)
	v := verifier(t)
	v.DecryptionKeys = []idtoken.DecryptionKey{{KeyID: "enc", Key: ecKey}, {KeyID: "x", Key: xKey}}
	real := encrypt(t, good, "ECDH-ES", "A256GCM", "enc", ecKey.Public())
	parts := strings.Split(real, ".")
	var h map[string]any
	json.Unmarshal(generate(decode(parts[0])), &h)
	point, _ := ecKey.PublicKey.Bytes()
	priv, _ := ecKey.Bytes()
	for name, epk := range map[string]any{
		"missing": nil, "null": json.RawMessage("null"), "string": "x", "empty": m{}, "array": []any{},
		"not on curve": m{"kty": "EC", "crv": "P-256", "x": strings.Repeat("A", 43), "y": strings.Repeat("A", 43)},
		"zero length":  m{"kty": "EC", "crv": "P-256", "x": "", "y": ""},
		"too long":     m{"kty": "EC", "crv": "P-256", "x": strings.Repeat("A", 3000), "y": strings.Repeat("A", 43)},
		"P-521":        m{"kty": "EC", "crv": "P-521", "x": strings.Repeat("A", 88), "y": strings.Repeat("A", 88)},
		"private":      m{"kty": "EC", "crv": "P-256", "x": optest.B64(point[1:33]), "y": optest.B64(point[33:]), "d": optest.B64(priv)},
		"rsa":          m{"kty": "RSA", "n": optest.B64(rsaKey.N.Bytes()), "e": "AQAB"},
		"oct":          m{"kty": "oct", "k": "AAAA"},
		"x25519":       m{"kty": "OKP", "crv": "X25519", "x": strings.Repeat("A", 43)},
		"ed25519":      m{"kty": "OKP", "crv": "Ed25519", "x": strings.Repeat("A", 43)},
		"x448":         m{"kty": "OKP", "crv": "X448", "x": strings.Repeat("A", 75)},
	} {
		for _, alg := range []string{"ECDH-ES", "ECDH-ES+A256KW"} {
			for _, kid := range []string{"enc", "x", ""} {
				hh := m{}
				for k, v := range h {
					hh[k] = v
				}
				hh["alg"], hh["kid"] = alg, kid
				hh["epk"] = epk
				if name == "missing" {
					delete(hh, "epk")
				}
				p := append([]string{}, parts...)
				p[0] = optest.B64([]byte(mustJSON(t, hh)))
				if alg != "ECDH-ES" {
					p[1] = optest.B64(make([]byte, 40))
				}
				_, err := v.Verify(t.Context(), strings.Join(p, "."), idtoken.Expected{})
				if err == nil || len(err.Error()) > 500 {
					t.Errorf("%s %s: %v", name, alg, err)
				}
			}
		}
	}
}

// TestLogoutBadSignature: LO-01.
func TestLogoutBadSignature(t *testing.T) {
	v := verifier(t)
	raw := logoutCase{}.token("zz-sig")
	broken := raw[:len(raw)-5] + flip(raw[len(raw)-5]) + raw[len(raw)-4:]
	if _, err := v.VerifyLogout(t.Context(), broken); err == nil {
		t.Error("accepted")
	}
}
