package idtoken_test

import (
	"crypto"
	"crypto/ecdh"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"fmt"
	"strings"
	"testing"

	"github.com/lestrrat-go/jwx/v3/jwa"
	"github.com/lestrrat-go/jwx/v3/jwe"

	"github.com/countersign/countersign/idtoken"
	"github.com/countersign/countersign/internal/optest"
)

// encrypt encrypts with another library, which also has the algorithms that must be rejected.
func encrypt(t *testing.T, jwt, alg, enc, kid string, key crypto.PublicKey) string {
	t.Helper()
	keyAlg, _ := jwa.LookupKeyEncryptionAlgorithm(alg)
	contentAlg, _ := jwa.LookupContentEncryptionAlgorithm(enc)
	headers := jwe.NewHeaders()
	headers.Set(jwe.ContentTypeKey, "JWT")
	if kid != "" {
		headers.Set(jwe.KeyIDKey, kid)
	}
	out, err := jwe.Encrypt([]byte(jwt), jwe.WithKey(keyAlg, key), jwe.WithContentEncryption(contentAlg), jwe.WithProtectedHeaders(headers))
	if err != nil {
		t.Fatal(alg, enc, err)
	}
	return string(out)
}

func generate[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

var (
	rsaKey = generate(rsa.GenerateKey(rand.Reader, 2048))
	ecKey  = generate(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))
	xKey   = generate(ecdh.X25519().GenerateKey(rand.Reader))
)

// TestEncrypted decrypts every allowed algorithm, and no other. TOK-18.
func TestEncrypted(t *testing.T) {
	inner := key.Sign(goodClaims(), nil)
	encs := []string{"A128GCM", "A192GCM", "A256GCM", "A128CBC-HS256", "A192CBC-HS384", "A256CBC-HS512"}
	v := verifier(t)
	for _, k := range []struct {
		algs    []string
		private any
		public  crypto.PublicKey
	}{
		{[]string{"RSA-OAEP-256"}, rsaKey, rsaKey.Public()},
		{[]string{"ECDH-ES", "ECDH-ES+A128KW", "ECDH-ES+A192KW", "ECDH-ES+A256KW"}, ecKey, ecKey.Public()},
		{[]string{"ECDH-ES", "ECDH-ES+A256KW"}, xKey, xKey.Public()},
	} {
		for _, alg := range k.algs {
			for _, enc := range encs {
				v.DecryptionKeys = []idtoken.DecryptionKey{{KeyID: "enc", Key: k.private}}
				raw := encrypt(t, inner, alg, enc, "enc", k.public)
				token, report := v.Check(t.Context(), raw, idtoken.Expected{})
				if token == nil || report.Steps[0].Result != idtoken.Valid {
					t.Errorf("%s %s: %v", alg, enc, report.Err())
				}
			}
		}
	}
}

// TestEncryptedRefused. TOK-18, H21.
func TestEncryptedRefused(t *testing.T) {
	good := key.Sign(goodClaims(), nil)
	plain := []idtoken.DecryptionKey{{KeyID: "enc", Key: rsaKey}}
	other := generate(rsa.GenerateKey(rand.Reader, 2048))
	oaep := func(s string) string { return encrypt(t, s, "RSA-OAEP-256", "A256GCM", "enc", rsaKey.Public()) }
	for _, c := range []struct {
		name string
		raw  string
		keys []idtoken.DecryptionKey
	}{
		{"not agreed on", oaep(good), nil},
		{"agreed on and not encrypted", good, plain},
		{"RSA1_5", encrypt(t, good, "RSA1_5", "A256GCM", "enc", rsaKey.Public()), plain},
		{"RSA-OAEP with SHA-1", encrypt(t, good, "RSA-OAEP", "A256GCM", "enc", rsaKey.Public()), plain},
		{"another key", encrypt(t, good, "RSA-OAEP-256", "A256GCM", "enc", other.Public()), plain},
		{"another kid", encrypt(t, good, "RSA-OAEP-256", "A256GCM", "old", rsaKey.Public()), plain},
		{"claims without a signature", oaep(mustJSON(t, goodClaims())), plain},
		{"encrypted twice", oaep(oaep(good)), plain},
		{"an unsigned JWT", oaep(strings.Join([]string{optest.B64([]byte(`{"alg":"none"}`)), strings.Split(good, ".")[1], ""}, ".")), plain},
		{"a JWT of a stranger", oaep(optest.NewKey("k1", "ES256").Sign(goodClaims(), nil)), plain},
		{"zip", rewriteHeader(oaep(good), `,"zip":"DEF"}`), plain},
		{"crit", rewriteHeader(oaep(good), `,"crit":["x"],"x":1}`), plain},
		{"an empty encrypted key", withPart(oaep(good), 1, ""), plain},
		{"a short tag", withPart(oaep(good), 4, "AAAA"), plain},
		{"a tag of zeros", withPart(oaep(good), 4, "AAAAAAAAAAAAAAAAAAAAAA"), plain},
		{"an empty iv", withPart(oaep(good), 2, ""), plain},
		{"padding", oaep(good) + "==", plain},
	} {
		v := verifier(t)
		v.DecryptionKeys = c.keys
		token, report := v.Check(t.Context(), c.raw, idtoken.Expected{})
		if token != nil || report.Err() == nil {
			t.Errorf("%s: accepted", c.name)
			continue
		}
		if text := report.Err().Error(); strings.Contains(text, "eyJ") || len(text) > 512 {
			t.Errorf("%s: %s", c.name, text)
		}
	}
}

// rewriteHeader changes the end of a JWE's header.
func rewriteHeader(jwe, end string) string {
	header, rest, _ := strings.Cut(jwe, ".")
	raw := generate(decode(header))
	return optest.B64([]byte(strings.TrimSuffix(string(raw), "}")+end)) + "." + rest
}

func withPart(jwe string, n int, part string) string {
	parts := strings.Split(jwe, ".")
	parts[n] = part
	return strings.Join(parts, ".")
}

// TestEncryptedRotation: the old and the new key both decrypt, with a kid and without.
func TestEncryptedRotation(t *testing.T) {
	good := key.Sign(goodClaims(), nil)
	older := generate(rsa.GenerateKey(rand.Reader, 2048))
	v := verifier(t)
	v.DecryptionKeys = []idtoken.DecryptionKey{{KeyID: "new", Key: rsaKey}, {KeyID: "old", Key: older}, {KeyID: "ec", Key: ecKey}}
	for _, raw := range []string{
		encrypt(t, good, "RSA-OAEP-256", "A256GCM", "new", rsaKey.Public()),
		encrypt(t, good, "RSA-OAEP-256", "A256GCM", "old", older.Public()),
		encrypt(t, good, "RSA-OAEP-256", "A256GCM", "", older.Public()),
		encrypt(t, good, "ECDH-ES", "A256GCM", "", ecKey.Public()),
	} {
		if _, err := v.Verify(t.Context(), raw, idtoken.Expected{}); err != nil {
			t.Error(err)
		}
	}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%d", "%x"} {
		if text := fmt.Sprintf(verb, v); strings.Contains(text, rsaKey.D.String()) || strings.Contains(text, fmt.Sprintf("%x", rsaKey.D)) {
			t.Errorf("%s prints a private key", verb)
		}
	}
}

func decode(part string) ([]byte, error) { return base64.RawURLEncoding.DecodeString(part) }
