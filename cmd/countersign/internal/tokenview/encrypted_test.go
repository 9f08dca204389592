package tokenview_test

import (
	"bytes"
	"crypto/ecdh"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"strings"
	"testing"

	"github.com/countersign/countersign/cmd/countersign/internal/tokenview"
	"github.com/countersign/countersign/discovery/issuertest"
	"github.com/countersign/countersign/internal/jose"
)

// privateJWK writes a private key as a JWK.
func privateJWK(t *testing.T, kid string, key any) string {
	t.Helper()
	number := func(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }
	m := map[string]string{"kid": kid, "use": "enc"}
	switch k := key.(type) {
	case *rsa.PrivateKey:
		m["kty"], m["n"], m["e"], m["d"] = "RSA", number(k.N.Bytes()), "AQAB", number(k.D.Bytes())
		m["p"], m["q"] = number(k.Primes[0].Bytes()), number(k.Primes[1].Bytes())
	case *ecdsa.PrivateKey:
		d, err := k.Bytes()
		if err != nil {
			t.Fatal(err)
		}
		m["kty"], m["crv"], m["d"] = "EC", k.Curve.Params().Name, number(d)
	case *ecdh.PrivateKey:
		m["kty"], m["crv"], m["d"] = "OKP", "X25519", number(k.Bytes())
	}
	text, err := json.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func pemOf(kind string, der []byte, err error) string {
	if err != nil {
		panic(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}))
}

// TestEncryptedTokens: each form of each kind of key opens a token for it, and both lists of
// checks know that it was encrypted.
func TestEncryptedTokens(t *testing.T) {
	i := issuertest.New(t, issuertest.Config{})
	rsaKey, _ := rsa.GenerateKey(rand.Reader, 2048)
	ecKey, _ := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	xKey, _ := ecdh.X25519().GenerateKey(rand.Reader)
	pkcs8, err := x509.MarshalPKCS8PrivateKey(rsaKey)
	xDER, xErr := x509.MarshalPKCS8PrivateKey(xKey)
	sec1, ecErr := x509.MarshalECPrivateKey(ecKey)
	for name, test := range map[string]struct {
		public any
		alg    string
		file   string
	}{
		"RSA, PKCS #8":          {&rsaKey.PublicKey, "RSA-OAEP-256", pemOf("PRIVATE KEY", pkcs8, err)},
		"RSA, PKCS #1":          {&rsaKey.PublicKey, "RSA-OAEP-256", pemOf("RSA PRIVATE KEY", x509.MarshalPKCS1PrivateKey(rsaKey), nil)},
		"RSA, JWK":              {&rsaKey.PublicKey, "RSA-OAEP-256", privateJWK(t, "k1", rsaKey)},
		"RSA, SHA-1":            {&rsaKey.PublicKey, "RSA-OAEP", privateJWK(t, "k1", rsaKey)},
		"EC after parameters":   {&ecKey.PublicKey, "ECDH-ES", pemOf("EC PARAMETERS", []byte{6, 0}, nil) + pemOf("EC PRIVATE KEY", sec1, ecErr)},
		"EC, JWK":               {&ecKey.PublicKey, "ECDH-ES+A256KW", privateJWK(t, "k1", ecKey)},
		"X25519, PKCS #8":       {xKey.PublicKey(), "ECDH-ES", pemOf("PRIVATE KEY", xDER, xErr)},
		"X25519, JWK":           {xKey.PublicKey(), "ECDH-ES+A128KW", privateJWK(t, "k1", xKey)},
		"a set with other keys": {xKey.PublicKey(), "ECDH-ES", `{"keys":[{"kty":"oct","use":"sig","k":"AAAA"},` + privateJWK(t, "k0", ecKey) + "," + privateJWK(t, "k1", xKey) + "]}"},
	} {
		keys, err := tokenview.ParseKeys([]byte("\n" + test.file + "\n"))
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		for kind, inner := range map[string]string{"ID token": i.IDToken(issuertest.IDToken{}), "access token": i.AccessToken(issuertest.AccessToken{})} {
			raw, err := jose.Encrypt(inner, test.alg, "A256GCM", "k1", test.public)
			if err != nil {
				t.Fatal(err)
			}
			token, err := tokenview.Read(raw, keys...)
			if err != nil {
				t.Errorf("%s, %s: %v", name, kind, err)
				continue
			}
			var out bytes.Buffer
			if !token.Show(t.Context(), &out, tokenview.Options{}) || !strings.Contains(out.String(), "Header of the encryption") {
				t.Errorf("%s, %s:\n%s", name, kind, out.String())
			}
			if sha1 := strings.Contains(out.String(), "InsecureRSAOAEP"); sha1 != (test.alg == "RSA-OAEP") || !sha1 && !strings.Contains(out.String(), "decrypted with -key") {
				t.Errorf("%s, %s:\n%s", name, kind, out.String())
			}
		}
	}
}

// TestEncryptedTokenFaults: what is wrong is named, and what to do.
func TestEncryptedTokenFaults(t *testing.T) {
	i := issuertest.New(t, issuertest.Config{})
	plain := i.AccessToken(issuertest.AccessToken{})
	key, _ := ecdh.X25519().GenerateKey(rand.Reader)
	other, _ := ecdh.X25519().GenerateKey(rand.Reader)
	encrypt := func(content string) string {
		raw, err := jose.Encrypt(content, "ECDH-ES", "A128GCM", "their\u202ekey", key.PublicKey())
		if err != nil {
			t.Fatal(err)
		}
		return raw
	}
	right, wrong := privateJWK(t, "", key), privateJWK(t, "mine", other)
	for name, test := range map[string]struct{ raw, key, want string }{
		"another key":           {encrypt(plain), wrong, `-key has kid "mine"`},
		"no JWT inside":         {encrypt(`{"sub":"alice"}`), right, "must be signed first"},
		"encrypted twice":       {encrypt(encrypt(plain)), right, "not a signed JWT"},
		"a shared secret (dir)": {base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"dir","enc":"A128GCM"}`)) + ".." + strings.Repeat("A", 16) + ".AAAA." + strings.Repeat("A", 22), right, `"dir"`},
		"a broken header":       {"a.b.c.d.e", right, "JWE"},
	} {
		keys, err := tokenview.ParseKeys([]byte(test.key))
		if err != nil {
			t.Fatal(err)
		}
		if _, err = tokenview.Read(test.raw, keys...); err == nil || !strings.Contains(err.Error(), test.want) || strings.ContainsRune(err.Error(), '\u202e') {
			t.Errorf("%s: %v, expected %q", name, err, test.want)
		}
	}
	_, err := tokenview.Read(encrypt(plain))
	var encrypted *tokenview.EncryptedError
	if !errors.As(err, &encrypted) || !strings.Contains(err.Error(), "-key FILE") || !strings.Contains(err.Error(), `"ECDH-ES"`) {
		t.Error(err)
	}
	keys, _ := tokenview.ParseKeys([]byte(right))
	for kind, raw := range map[string]string{"access token": plain, "ID token": i.IDToken(issuertest.IDToken{})} {
		token, err := tokenview.Read(raw, keys...)
		if err != nil {
			t.Fatal(err)
		}
		var out bytes.Buffer
		if token.Show(t.Context(), &out, tokenview.Options{}) || !strings.Contains(out.String(), "not encrypted, but -key was given") {
			t.Errorf("a plain %s with -key:\n%s", kind, out.String())
		}
	}
}

// TestKeyFaults: no error has a part of the key in it.
func TestKeyFaults(t *testing.T) {
	_, ed, _ := ed25519.GenerateKey(rand.Reader)
	edDER, err := x509.MarshalPKCS8PrivateKey(ed)
	rsaKey, _ := rsa.GenerateKey(rand.Reader, 2048)
	public, pubErr := x509.MarshalPKIXPublicKey(&rsaKey.PublicKey)
	for name, test := range map[string]struct{ file, want string }{
		"nothing":           {"", "no private key"},
		"a text":            {"canary-text", "no private key"},
		"a certificate":     {pemOf("CERTIFICATE", []byte{1}, nil), "no private key"},
		"a public PEM":      {pemOf("PUBLIC KEY", public, pubErr), "the key is public"},
		"a public JWK":      {`{"kty":"RSA","kid":"a","n":"AQAB","e":"AQAB"}`, `the JWK "a": the key is public`},
		"a passphrase":      {pemOf("ENCRYPTED PRIVATE KEY", []byte{1}, nil), "passphrase"},
		"a broken PEM":      {pemOf("PRIVATE KEY", []byte("canary"), nil), "malformed"},
		"a signing key":     {pemOf("PRIVATE KEY", edDER, err), "for signatures only"},
		"a signing JWK":     {`{"kty":"OKP","crv":"Ed25519","d":"canary"}`, "OKP Ed25519 is not supported"},
		"a symmetric JWK":   {`{"kty":"oct","k":"canary"}`, "symmetric"},
		"a broken JWK":      {`{"kty":"EC","d":"canary%"}`, "malformed"},
		"no JSON":           {`{"kty":`, "malformed"},
		"wrong numbers":     {`{"kty":"EC","crv":"P-256","d":"AAAA"}`, "numbers"},
		"RSA without p, q":  {`{"kty":"RSA","n":"AQAB","e":"AQAB","d":"AQAB"}`, "numbers"},
		"RSA, wrong primes": {`{"kty":"RSA","n":"AQAB","e":"AQAB","d":"AQAB","p":"AQ","q":"AQAB"}`, "numbers"},
		"a set for signing": {`{"keys":[{"kty":"EC","use":"sig"},{"kty":"RSA","use":"sig"}]}`, "no key for encryption"},
		"an empty set":      {`{"keys":[]}`, "no key for encryption"},
	} {
		if _, err := tokenview.ParseKeys([]byte(test.file)); err == nil || !strings.Contains(err.Error(), test.want) || strings.Contains(err.Error(), "canary") {
			t.Errorf("%s: %v, expected %q", name, err, test.want)
		}
	}
}

// TestShowJSON: the document has the checks, and is plain for a terminal without a loss.
func TestShowJSON(t *testing.T) {
	i := issuertest.New(t, issuertest.Config{})
	const controls = "a\x1b[31m\u202e\u009b<&"
	token, err := tokenview.Read(i.AccessToken(issuertest.AccessToken{Claims: map[string]any{"x": controls, "aud": controls}}))
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	if token.ShowJSON(t.Context(), &out, tokenview.Options{Audience: "b"}) {
		t.Error("a token for another API passed")
	}
	if strings.ContainsAny(out.String(), "\x1b\u202e\u009b") {
		t.Errorf("%q", out.String())
	}
	var d struct {
		Kind   string
		Claims map[string]any
		Checks []tokenview.Check
		Passed *bool
	}
	if err := json.Unmarshal(out.Bytes(), &d); err != nil || d.Claims["x"] != controls || len(d.Checks) != 14 || d.Passed == nil || *d.Passed || d.Checks[4].Result != tokenview.Failed {
		t.Errorf("%v\n%s", err, out.String())
	}
}
