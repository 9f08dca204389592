package jose_test

import (
	"crypto"
	"crypto/aes"
	"crypto/cipher"
	"crypto/ecdh"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"fmt"
	"strings"
	"testing"

	gojose "github.com/go-jose/go-jose/v4"

	"github.com/countersign/countersign/internal/jose"
)

type pair struct {
	private any
	public  crypto.PublicKey
}

// recipients are keys of each kind, with the algorithms that fit.
func recipients(t testing.TB) map[string]pair {
	t.Helper()
	all := map[string]pair{}
	r, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	all["RSA"] = pair{r, r.Public()}
	for _, curve := range []elliptic.Curve{elliptic.P256(), elliptic.P384(), elliptic.P521()} {
		k, err := ecdsa.GenerateKey(curve, rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		all[curve.Params().Name] = pair{k, k.Public()}
	}
	x, err := ecdh.X25519().GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	all["X25519"] = pair{x, x.Public()}
	return all
}

func algsFor(kind string) []string {
	if kind == "RSA" {
		return []string{"RSA-OAEP", "RSA-OAEP-256"}
	}
	return []string{"ECDH-ES", "ECDH-ES+A128KW", "ECDH-ES+A192KW", "ECDH-ES+A256KW"}
}

var contentAlgs = []string{"A128GCM", "A192GCM", "A256GCM", "A128CBC-HS256", "A192CBC-HS384", "A256CBC-HS512"}

// TestOtherLibraries: for each algorithm and kind of key, go-jose reads what this package
// encrypts, and this package reads what go-jose encrypts. go-jose has no X25519.
func TestOtherLibraries(t *testing.T) {
	for kind, key := range recipients(t) {
		for _, alg := range algsFor(kind) {
			for _, enc := range contentAlgs {
				name, text := kind+" "+alg+" "+enc, "e30.e30."+kind
				ours, err := jose.Encrypt(text, alg, enc, "k1", key.public)
				if err != nil {
					t.Fatal(name, err)
				}
				keys := []jose.PrivateKey{{ID: "k1", Key: key.private}}
				opens := func(library, raw string, err error) {
					plain, failed := jose.Decrypt(raw, 0, jose.DecryptionAlgsWith(true), keys)
					if err != nil || failed != nil || string(plain) != text {
						t.Errorf("%s: of %s: %q, %v, %v", name, library, plain, err, failed)
					}
				}
				opens("this package", ours, nil)
				if kind == "X25519" {
					continue
				}
				byGoJose, err := encryptGoJose(text, alg, enc, key.public)
				opens("go-jose", byGoJose, err)
				parsed, err := gojose.ParseEncryptedCompact(ours, []gojose.KeyAlgorithm{gojose.KeyAlgorithm(alg)}, []gojose.ContentEncryption{gojose.ContentEncryption(enc)})
				if err != nil {
					t.Fatal(name, err)
				}
				if plain, err := parsed.Decrypt(key.private); err != nil || string(plain) != text || parsed.Header.KeyID != "k1" {
					t.Errorf("%s: go-jose reads %q, %v", name, plain, err)
				}
			}
		}
	}
}

func encryptGoJose(text, alg, enc string, key crypto.PublicKey) (string, error) {
	e, err := gojose.NewEncrypter(gojose.ContentEncryption(enc), gojose.Recipient{Algorithm: gojose.KeyAlgorithm(alg), Key: key}, nil)
	if err != nil {
		return "", err
	}
	out, err := e.Encrypt([]byte(text))
	if err != nil {
		return "", err
	}
	return out.CompactSerialize()
}

// TestChangedParts: a change in any part is found.
func TestChangedParts(t *testing.T) {
	for kind, key := range recipients(t) {
		for _, alg := range algsFor(kind) {
			for _, enc := range []string{"A256GCM", "A256CBC-HS512"} {
				raw, err := jose.Encrypt("e30.e30.e30", alg, enc, "", key.public)
				if err != nil {
					t.Fatal(err)
				}
				for at := range raw {
					if at%11 != 0 || raw[at] == '.' {
						continue
					}
					changed := raw[:at] + other(raw[at]) + raw[at+1:]
					if _, err := jose.Decrypt(changed, 0, jose.DecryptionAlgsWith(true), []jose.PrivateKey{{Key: key.private}}); err == nil {
						t.Fatalf("%s %s %s: a change of character %d is not found", kind, alg, enc, at)
					}
				}
			}
		}
	}
}

func other(c byte) string {
	if c == 'A' {
		return "Q"
	}
	return "A"
}

// TestAgreementFaults: every fault of the ephemeral key causes the same error.
func TestAgreementFaults(t *testing.T) {
	keys := recipients(t)
	good, err := jose.Encrypt("e30.e30.e30", "ECDH-ES", "A128GCM", "", keys["P-256"].public)
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(good, ".")
	foreign, _, err := jose.PublicJWK(keys["P-384"].public)
	if err != nil {
		t.Fatal(err)
	}
	x25519, _, _ := jose.PublicJWK(keys["X25519"].public)
	rsaKey, _, _ := jose.PublicJWK(keys["RSA"].public)
	zero := base64.RawURLEncoding.EncodeToString(make([]byte, 32))
	for name, members := range map[string]string{
		"no epk": `"a":1`, "null": `"epk":null`, "a string": `"epk":"x"`, "empty": `"epk":{}`,
		"another curve": `"epk":` + string(foreign), "X25519": `"epk":` + string(x25519), "RSA": `"epk":` + string(rsaKey),
		"off the curve":   `"epk":{"kty":"EC","crv":"P-256","x":"` + zero + `","y":"` + zero + `"}`,
		"a short number":  `"epk":{"kty":"EC","crv":"P-256","x":"AQ","y":"AQ"}`,
		"apu is not text": `"apu":5,"epk":{}`,
	} {
		header := base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"ECDH-ES","enc":"A128GCM",` + members + `}`))
		if _, err := jose.Decrypt(header+"."+rest, 0, jose.DecryptionAlgs, []jose.PrivateKey{{Key: keys["P-256"].private}}); err != jose.ErrDecrypt {
			t.Errorf("%s: %v", name, err)
		}
	}
	low := fmt.Sprintf(`{"alg":"ECDH-ES","enc":"A128GCM","epk":{"kty":"OKP","crv":"X25519","x":%q}}`, zero) // a point of small order
	if _, err := jose.Decrypt(base64.RawURLEncoding.EncodeToString([]byte(low))+"."+rest, 0, jose.DecryptionAlgs, []jose.PrivateKey{{Key: keys["X25519"].private}}); err != jose.ErrDecrypt {
		t.Errorf("small order: %v", err)
	}
}

// TestPartyInfo is the example of RFC 7518 appendix C: apu and apv are part of the derived key.
func TestPartyInfo(t *testing.T) {
	const header = `{"alg":"ECDH-ES","enc":"A128GCM","apu":"QWxpY2U","apv":"Qm9i","epk":{"kty":"EC","crv":"P-256",` +
		`"x":"gI0GAILBdu7T53akrFmMyGcsF3n5dO7MmwNBHKW5SV0","y":"SLW_xSffzlPWrHEVI30DHM_4egVwt3NQqeUD7nMFpps"}}`
	b64 := base64.RawURLEncoding
	d, _ := b64.DecodeString("VEmDZpDXXK8p8N0Cndsxs924q6nS1RXFASRl6BfUqdw")
	bob, err := ecdsa.ParseRawPrivateKey(elliptic.P256(), d)
	if err != nil {
		t.Fatal(err)
	}
	derived, _ := b64.DecodeString("VqqN6vgjbSBcIijNcacQGg")
	block, _ := aes.NewCipher(derived)
	gcm, err := cipher.NewGCM(block)
	if err != nil {
		t.Fatal(err)
	}
	protected, iv := b64.EncodeToString([]byte(header)), make([]byte, 12)
	sealed := gcm.Seal(nil, iv, []byte("e30.e30.e30"), []byte(protected))
	raw := protected + ".." + b64.EncodeToString(iv) + "." + b64.EncodeToString(sealed[:len(sealed)-16]) + "." + b64.EncodeToString(sealed[len(sealed)-16:])
	if plain, err := jose.Decrypt(raw, 0, jose.DecryptionAlgs, []jose.PrivateKey{{Key: bob}}); err != nil || string(plain) != "e30.e30.e30" {
		t.Errorf("%q %v", plain, err)
	}
}
