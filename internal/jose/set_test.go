package jose_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"errors"
	"maps"
	"math/big"
	"strings"
	"testing"

	"github.com/countersign/countersign/internal/jose"
	"github.com/countersign/countersign/internal/optest"
)

type m = map[string]any

// set makes a key set of JWKs.
func set(t testing.TB, keys ...any) *jose.Set {
	t.Helper()
	raw, err := json.Marshal(m{"keys": keys})
	if err != nil {
		t.Fatal(err)
	}
	s, err := jose.ParseSet(raw)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func check(t testing.TB, s *jose.Set, jwt string) error {
	t.Helper()
	token, err := jose.Parse(jwt, 0)
	if err != nil {
		t.Fatal(err)
	}
	return s.VerifyToken(t.Context(), token)
}

// with replaces members of a key's JWK. nil removes a member.
func with(k optest.Key, more m) m {
	out := k.JWK()
	for name, value := range more {
		out[name] = value
		if value == nil {
			delete(out, name)
		}
	}
	return out
}

var odd = []m{
	{"kty": "EC", "crv": "secp256k1", "kid": "a", "alg": "ES256K", "x": strings.Repeat("A", 43), "y": strings.Repeat("A", 43)},
	{"kty": "EC", "crv": "secp256k1", "kid": "a2", "x": strings.Repeat("A", 43), "y": strings.Repeat("A", 43)},
	{"kty": "OKP", "crv": "X448", "kid": "b", "x": strings.Repeat("A", 75)},
	{"kty": "OKP", "crv": "Ed448", "kid": "c", "x": strings.Repeat("A", 76)},
	{"kty": "OKP", "crv": "X25519", "kid": "d", "x": strings.Repeat("A", 43)},
	{"kty": "AKP", "alg": "ML-DSA-44", "kid": "e", "pub": strings.Repeat("A", 100)},
	{"kty": "AKP", "alg": "SLH-DSA-SHA2-128s", "kid": "e2", "pub": "AAAA"},
	{"kty": "NEW", "kid": "f"},
	{"kty": 1, "kid": "g"},
	{"kid": "h"},
	{},
	{"kty": "RSA", "kid": "i"},
	{"kty": "RSA", "kid": "j", "n": "!!!", "e": "AQAB"},
	{"kty": "RSA", "kid": "k", "n": 5, "e": "AQAB"},
	{"kty": "EC", "crv": "P-256", "kid": "l", "x": "AQ", "y": "AQ"},
	{"kty": "EC", "crv": "P-256", "kid": "m", "x": strings.Repeat("A", 43), "y": strings.Repeat("A", 43)},
	{"kty": "OKP", "crv": "Ed25519", "kid": "n", "x": "AAAA"},
	{"kty": "oct", "kid": "o", "k": strings.Repeat("A", 43)},
	{"kty": "oct", "kid": "p", "k": strings.Repeat("A", 43), "alg": "HS256"},
}

// TestOddKeys: the good key works, whatever else is in the set before or after it. JWKS-02, H16.
func TestOddKeys(t *testing.T) {
	good := optest.NewKey("good", "RS256")
	jwt := good.Sign(m{}, nil)
	for _, key := range odd {
		for _, s := range []*jose.Set{set(t, key, good.JWK()), set(t, good.JWK(), key)} {
			if err := check(t, s, jwt); err != nil || s.Len() != 1 || len(s.Skipped) != 1 {
				t.Errorf("beside %v: %v, %d keys, skipped %v", key, err, s.Len(), s.Skipped)
			}
		}
	}
	for _, value := range []any{nil, 1, "x", []int{1}, true} {
		if s := set(t, value, good.JWK()); check(t, s, jwt) != nil {
			t.Errorf("beside %v: %v", value, s.Skipped)
		}
	}
	all := []any{good.JWK()}
	for _, key := range odd {
		all = append(all, key)
	}
	if s := set(t, all...); s.Len() != 1 || check(t, s, jwt) != nil {
		t.Errorf("beside all: %d keys", s.Len())
	}
}

func rsaOf(bits int) optest.Key {
	k, err := rsa.GenerateKey(rand.Reader, bits)
	if err != nil {
		panic(err)
	}
	return optest.Key{ID: "good", Alg: "RS256", Private: k}
}

// TestUnusableKeys: well-formed keys that must not be used. JWKS-03, TOK-05, H7, H12, H15.
func TestUnusableKeys(t *testing.T) {
	t.Setenv("GODEBUG", "rsa1024min=0")
	good := optest.NewKey("good", "RS256")
	private := good.Private.(*rsa.PrivateKey)
	long := new(big.Int).Lsh(private.N, 8193-2048)
	otherCert := certificate(t, optest.NewKey("other", "RS256"))
	for name, key := range map[string]m{
		"use enc":               with(good, m{"use": "enc"}),
		"a kty in another case": with(good, m{"kty": nil, "Kty": "RSA"}),
		"an n in another case":  with(good, m{"n": nil, "N": good.JWK()["n"]}),
		"use empty":             with(good, m{"use": ""}),
		"use in capitals":       with(good, m{"use": "SIG"}),
		"key_ops sign":          with(good, m{"key_ops": []string{"sign"}}),
		"key_ops empty":         with(good, m{"key_ops": []string{}}),
		"key_ops of encryption": with(good, m{"use": nil, "key_ops": []string{"encrypt", "wrapKey"}}),
		"key_ops a string":      with(good, m{"key_ops": "verify"}),
		"alg of encryption":     with(good, m{"alg": "RSA-OAEP-256"}),
		"alg of another kty":    with(good, m{"alg": "ES256"}),
		"alg unknown":           with(good, m{"alg": "RS257"}),
		"alg HS256":             with(good, m{"alg": "HS256"}),
		"alg none":              with(good, m{"alg": "none"}),
		"private":               with(good, m{"d": optest.B64(private.D.Bytes())}),
		"private by p":          with(good, m{"p": "AQAB"}),
		"private by q":          with(good, m{"q": "AQAB"}),
		"with k":                with(good, m{"k": "AQAB"}),
		"1024 bits":             rsaOf(1024).JWK(),
		"over 8192 bits":        with(good, m{"n": optest.B64(long.Bytes())}),
		"e of 1":                with(good, m{"e": "AQ"}),
		"e of 2":                with(good, m{"e": "Ag"}),
		"e even":                with(good, m{"e": "AQAC"}),
		"e beyond 2^31":         with(good, m{"e": optest.B64([]byte{1, 0, 0, 0, 1})}),
		"e beyond 2^64":         with(good, m{"e": optest.B64(append([]byte{1}, make([]byte, 8)...))}),
		"kid too long":          with(good, m{"kid": strings.Repeat("k", 300)}),
		"kid a number":          with(good, m{"kid": 1}),
		"x5c of another":        with(good, m{"x5c": []string{otherCert}}),
		"x5c garbage":           with(good, m{"x5c": []string{"AAAA"}}),
		"x5c of another, odd":   with(good, m{"x5c": []string{negativeSerial(t, otherCert)}}),
		"n null":                with(good, m{"n": json.RawMessage("null")}),
		"kty null":              with(good, m{"kty": json.RawMessage("null")}),
		"x5c not base64":        with(good, m{"x5c": []string{"!"}}),
	} {
		skipped := 1
		if name == "use enc" {
			skipped = 0 // it is for encryption, which is not reported
		}
		if s := set(t, key); s.Len() != 0 || len(s.Skipped) != skipped {
			t.Errorf("%s: %d keys, %v", name, s.Len(), s.Skipped)
		}
	}
	for name, key := range map[string]m{
		"as it is":                     good.JWK(),
		"names in another case beside": with(good, m{"N": "AQAB", "KTY": "oct", "E": "Ag"}),
		"no use":                       with(good, m{"use": nil}),
		"no alg":                       with(good, m{"alg": nil}),
		"key_ops verify":               with(good, m{"use": nil, "key_ops": []string{"sign", "verify"}}),
		"members unknown":              with(good, m{"issuer": "https://as.example", "x5t": "AAAA", "exp": 1}),
		"its certificate":              with(good, m{"x5c": []string{certificate(t, good)}}),
		"its odd certificate":          with(good, m{"x5c": []string{negativeSerial(t, certificate(t, good))}}),
		"nulls for what it has not":    with(good, nulls("crv", "x", "y", "d", "p", "q", "k", "use", "alg", "key_ops", "x5c", "issuer", "x5t")),
		"base64 of 65537":              with(good, m{"e": "AQAB"}),
		"exponent of 3":                with(good, m{"e": "Aw"}),
	} {
		s := set(t, key)
		if s.Len() != 1 {
			t.Errorf("%s: %v", name, s.Skipped)
		}
		if err := check(t, s, good.Sign(m{}, nil)); err != nil && name != "exponent of 3" {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func certificate(t *testing.T, k optest.Key) string {
	template := &x509.Certificate{SerialNumber: big.NewInt(1)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, k.Private.Public(), k.Private)
	if err != nil {
		t.Fatal(err)
	}
	return base64.StdEncoding.EncodeToString(der)
}

// negativeSerial makes the number of a certificate negative, as in those of some servers.
// crypto/x509 does not parse them.
func negativeSerial(t *testing.T, cert string) string {
	der, err := base64.StdEncoding.DecodeString(cert)
	i := bytes.Index(der, []byte{2, 1, 1, 0x30})
	if err != nil || i < 0 {
		t.Fatalf("no serial number, %v", err)
	}
	der[i+2] = 0xff
	if _, err := x509.ParseCertificate(der); err == nil {
		t.Error("crypto/x509 reads it")
	}
	return base64.StdEncoding.EncodeToString(der)
}

func nulls(names ...string) m {
	out := m{}
	for _, name := range names {
		out[name] = json.RawMessage("null")
	}
	return out
}

// TestDecoys: the right key among keys of the same kid and other algorithms, in
// every order. JWKS-04, H5.
func TestDecoys(t *testing.T) {
	algs := []string{"RS256", "PS256", "ES256", "ES384", "EdDSA"}
	var keys []optest.Key
	for _, alg := range algs {
		keys = append(keys, optest.NewKey("same", alg))
	}
	for shift := range keys {
		var jwks []any
		for i := range keys {
			jwks = append(jwks, keys[(i+shift)%len(keys)].JWK())
		}
		s := set(t, jwks...)
		for _, k := range keys {
			if err := check(t, s, k.Sign(m{}, nil)); err != nil {
				t.Errorf("%s, turned by %d: %v", k.Alg, shift, err)
			}
		}
		if len(s.Skipped) != 0 {
			t.Errorf("keys of several algorithms are reported: %v", s.Skipped)
		}
	}
}

// TestSameKeyTwice: two equal entries are one key. Two different ones with the same kid are not
// used, in any order. JWKS-04, H14.
func TestSameKeyTwice(t *testing.T) {
	a, b := optest.NewKey("same", "ES256"), optest.NewKey("same", "ES256")
	if err := check(t, set(t, a.JWK(), a.JWK(), with(a, m{"use": nil})), a.Sign(m{}, nil)); err != nil {
		t.Errorf("listed twice: %v", err)
	}
	for _, s := range []*jose.Set{set(t, a.JWK(), b.JWK()), set(t, b.JWK(), a.JWK()), set(t, with(a, m{"alg": nil}), b.JWK())} {
		if len(s.Skipped) != 1 || !strings.Contains(s.Skipped[0].Error(), "two different keys") {
			t.Errorf("nobody hears of it: %v", s.Skipped)
		}
		for _, k := range []optest.Key{a, b} {
			if err := check(t, s, k.Sign(m{}, nil)); err == nil || errors.Is(err, jose.ErrUnknownKey) {
				t.Errorf("two keys of one kid: %v", err)
			}
		}
	}
}

// TestKeyID: a kid is compared exactly. Without a kid exactly one key must match. TOK-08.
func TestKeyID(t *testing.T) {
	a, b, c := optest.NewKey("a", "ES256"), optest.NewKey("b", "ES256"), optest.NewKey("MYv/TlhD38w0GVgX3sohEWb6th0=", "EdDSA")
	s := set(t, a.JWK(), b.JWK(), c.JWK())
	for _, k := range []optest.Key{a, b, c} {
		if err := check(t, s, k.Sign(m{}, nil)); err != nil {
			t.Errorf("%s: %v", k.ID, err)
		}
	}
	if err := check(t, s, a.Sign(m{}, m{"kid": nil})); err == nil {
		t.Error("without kid, two keys fit")
	}
	if err := check(t, s, c.Sign(m{}, m{"kid": nil})); err != nil {
		t.Errorf("without kid, one key fits: %v", err)
	}
	if err := check(t, s, a.Sign(m{}, m{"kid": "A"})); !errors.Is(err, jose.ErrUnknownKey) {
		t.Errorf("kid in capitals: %v", err)
	}
	if err := check(t, s, a.Sign(m{}, m{"kid": "b"})); !errors.Is(err, jose.ErrSignature) {
		t.Errorf("kid of another key: %v", err)
	}
	anonymous := set(t, with(a, m{"kid": nil}))
	if err := check(t, anonymous, a.Sign(m{}, m{"kid": nil})); err != nil {
		t.Errorf("neither has a kid: %v", err)
	}
}

// TestSecret: H13.
func TestSecret(t *testing.T) {
	for alg, size := range map[string]int{"HS256": 32, "HS384": 48, "HS512": 64} {
		k := optest.Key{ID: "x", Alg: alg, Secret: []byte(strings.Repeat("s", size))}
		if err := check(t, jose.NewSecretSet(k.Secret), k.Sign(m{}, nil)); err != nil {
			t.Errorf("%s: %v", alg, err)
		}
		k.Secret = k.Secret[1:]
		if err := check(t, jose.NewSecretSet(k.Secret), k.Sign(m{}, nil)); err == nil {
			t.Errorf("%s: a secret of %d bytes", alg, size-1)
		}
	}
	if err := check(t, jose.NewSecretSet(nil), (optest.Key{Alg: "HS256", Secret: []byte{}}).Sign(m{}, nil)); err == nil {
		t.Error("an empty secret")
	}
}

// TestCurves: a signature must use the curve of its algorithm. TOK-05, H6.
func TestCurves(t *testing.T) {
	k, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	key := optest.Key{ID: "x", Alg: "ES256", Private: k} // a P-384 key for ES256
	s := set(t, with(optest.Key{ID: "x", Alg: "ES384", Private: k}, m{"alg": nil}))
	if err := check(t, s, key.Sign(m{}, nil)); err == nil {
		t.Error("ES256 over P-384")
	}
	if err := check(t, s, (optest.Key{ID: "x", Alg: "ES384", Private: k}).Sign(m{}, nil)); err != nil {
		t.Error(err)
	}
}

func TestParseSetRefused(t *testing.T) {
	for _, raw := range []string{"", "null", "[]", "{}", `"x"`, `{"keys":null}`, `{"keys":{}}`, `{"keys":"x"}`, `{"keys":[]}x`, `{"keys":[],"keys":[]}`,
		`{"Keys":[]}`, "\ufeff" + `{"keys":[]}`, `{"keys":[{"kty":"x","kty":"y"}]}`, `{"keys":[` + strings.Repeat("{},", 100) + `{}]}`, `{"keys":["` + strings.Repeat("x", 600<<10) + `"]}`} {
		if s, err := jose.ParseSet([]byte(raw)); err == nil {
			t.Errorf("%.40q gives %d keys", raw, s.Len())
		}
	}
	if s, err := jose.ParseSet([]byte(`{"keys":[]}`)); err != nil || s.Len() != 0 {
		t.Errorf("an empty set: %v", err)
	}
}

// TestDecode: the strict decoder. TOK-02, TOK-03, H3.
func TestDecode(t *testing.T) {
	type claims struct {
		Sub string `json:"sub"`
	}
	for _, raw := range []string{`{}`, ` {"sub":"a"} `, `{"sub":"a","x":[1,2,{"y":null}]}`, `{"Sub":"b","sub":"a"}`, `{"sub":"\ud83d\ude00"}`, `{"x":1e400}`,
		`{"x":` + strings.Repeat("[", 15) + strings.Repeat("]", 15) + `}`, `{"x":"` + strings.Repeat(`\"[{:`, 500) + `"}`} {
		var c claims
		if err := jose.Decode([]byte(raw), &c, jose.TokenLimits); err != nil || c.Sub == "b" {
			t.Errorf("%.60s: %v, %q", raw, err, c.Sub)
		}
	}
	for _, raw := range []string{"", "null", "[]", "1", `"x"`, "{}{}", "{} x", "{", `{"a":1,"a":2}`, `{"x":{"a":1,"a":2}}`, `{"a":1,"\u0061":2}`, "{\"a\":\"\xff\"}", `{"a":"\ud800"}`,
		`{'a':1}`, `{a:1}`, `{"a":1,}`, `{"a":01}`, `{"a":NaN}`, `{"a":1}//`, "\ufeff{}", "{\"a\":\"\x01\"}", `{"sub":1}`, `{"sub":["a"]}`,
		`{"x":` + strings.Repeat("[", 16) + strings.Repeat("]", 16) + `}`, `{"x":` + strings.Repeat("9", 65) + `}`, "{" + strings.Repeat(`"a":1,`, 300) + `"b":1}`} {
		var c claims
		err := jose.Decode([]byte(raw), &c, jose.TokenLimits)
		if err == nil {
			t.Errorf("%.60q was accepted", raw)
		} else if len(err.Error()) > 300 {
			t.Errorf("%.60q: an error of %d bytes", raw, len(err.Error()))
		}
	}
	canary := maps.Collect(maps.All(map[string]string{`{"sub":"canary`: "", `{"canary":1,"canary":2}`: "", `{"sub":{"canary":1}}`: ""}))
	for raw := range canary {
		if err := jose.Decode([]byte(raw), &claims{}, jose.TokenLimits); err == nil || strings.Contains(err.Error(), "canary") {
			t.Errorf("%s: %v", raw, err)
		}
	}
}

// TestEncryptedKeySize: an encrypted key of an impossible size is rejected before any key is
// used. H21.
func TestEncryptedKeySize(t *testing.T) {
	part := func(n int) string { return optest.B64(make([]byte, n)) }
	for _, c := range []struct {
		alg, enc    string
		ek, iv, tag int
		says        string
	}{
		{"ECDH-ES", "A256GCM", 1, 12, 16, "does not use"},
		{"ECDH-ES+A256KW", "A256GCM", 32, 12, 16, "encrypted key has the wrong size"},
		{"ECDH-ES+A256KW", "A128CBC-HS256", 24, 16, 16, "encrypted key has the wrong size"},
		{"ECDH-ES+A256KW", "A256GCM", 40, 16, 16, "initialization vector"},
		{"RSA-OAEP-256", "A256GCM", 256, 12, 12, "tag"},
		{"RSA-OAEP-256", "A192CBC-HS384", 256, 16, 16, "tag"},
		{"ECDH-ES+A256KW", "A256GCM", 40, 12, 16, "can decrypt"},
	} {
		header := optest.B64([]byte(`{"alg":"` + c.alg + `","enc":"` + c.enc + `"}`))
		_, err := jose.Decrypt(strings.Join([]string{header, part(c.ek), part(c.iv), part(10), part(c.tag)}, "."), 0, jose.DecryptionAlgs, nil)
		if err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%+v: %v", c, err)
		}
	}
	cty := optest.B64([]byte(`{"alg":"RSA-OAEP-256","enc":"A256GCM","cty":"json"}`))
	if _, err := jose.Decrypt(cty+"."+part(256)+"."+part(12)+"."+part(10)+"."+part(16), 0, jose.DecryptionAlgs, nil); err == nil || !strings.Contains(err.Error(), "cty") {
		t.Errorf("cty: %v", err)
	}
}

// TestMetadataIsNoSet: the metadata in the place of the key set is named as such.
func TestMetadataIsNoSet(t *testing.T) {
	for doc, want := range map[string]string{
		`{"issuer": "https://as.example", "jwks_uri": "https://as.example/jwks"}`: `use its jwks_uri "https://as.example/jwks"`,
		`{"issuer": "https://as.example"}`:                                        "the member keys is missing",
	} {
		if _, err := jose.ParseSet([]byte(doc)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("expected %q, received %v", want, err)
		}
	}
}
