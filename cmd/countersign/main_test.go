package main

import (
	"bytes"
	"context"
	"crypto/ecdh"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/countersign/countersign/discovery/issuertest"
	"github.com/countersign/countersign/internal/jose"
)

func runs(t *testing.T, input string, args ...string) (status int, out string) {
	t.Helper()
	var o, e bytes.Buffer
	status = run(context.Background(), args, standard{strings.NewReader(input), &o, &e})
	return status, o.String() + e.String()
}

// issuer starts a test issuer, and returns its certificate as a file.
func issuer(t *testing.T, config issuertest.Config) (i *issuertest.Issuer, ca string) {
	t.Helper()
	i = issuertest.New(t, config)
	ca = filepath.Join(t.TempDir(), "ca.pem")
	data := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: i.Certificate().Raw})
	if err := os.WriteFile(ca, data, 0o600); err != nil {
		t.Fatal(err)
	}
	return i, ca
}

// TestUsage: every command has a usage text, and a mistake has status 2.
func TestUsage(t *testing.T) {
	if status, out := runs(t, "", "-h"); status != 0 || !strings.Contains(out, "doctor") {
		t.Errorf("%d %s", status, out)
	}
	for _, c := range commands {
		if status, out := runs(t, "", c.name, "-h"); status != 0 || !strings.Contains(out, "Example:") {
			t.Errorf("%s -h: %d %s", c.name, status, out)
		}
		if _, out := runs(t, "", c.name, "-h"); strings.Contains(out, "(default -1)") || strings.Contains(out, "that key at") || strings.Index(out, "Flags of every flow") < strings.Index(out, "Flags of "+c.name) {
			t.Errorf("%s -h: %s", c.name, out)
		}
		if status, _ := runs(t, "", c.name, "-no-such-flag"); status != 2 {
			t.Errorf("%s with an unknown flag: status %d", c.name, status)
		}
	}
	for _, args := range [][]string{{}, {"dance"}, {"doctor"}, {"doctor", "a", "b"}, {"doctor", "https://as.example", "-profile", "x"},
		{"doctor", "https://as.example", "-client-id", "web"}, {"token", "-fetch", "x"}, {"doctor", "https://as.example", "-ca", "/nonexistent"}} {
		if status, out := runs(t, "", args...); status != 2 {
			t.Errorf("%q: status %d, %s", args, status, out)
		}
	}
}

// TestDoctor: status 0 for an issuer without problems, 1 for one with a problem.
func TestDoctor(t *testing.T) {
	good, ca := issuer(t, issuertest.Config{})
	if status, out := runs(t, "", "doctor", good.URL, "-ca", ca); status != 0 || !strings.Contains(out, "0 problems, 0 warnings") {
		t.Errorf("status %d\n%s", status, out)
	}
	if status, out := runs(t, "", "doctor", "-json", good.URL, "-ca", ca); status != 0 || !strings.HasPrefix(out, "{") {
		t.Errorf("status %d\n%s", status, out)
	}
	bad, ca := issuer(t, issuertest.Config{Metadata: map[string]any{"token_endpoint": nil}})
	if status, out := runs(t, "", "doctor", bad.URL, "-ca", ca); status != 1 || !strings.Contains(out, "token_endpoint") {
		t.Errorf("status %d\n%s", status, out)
	}
}

// TestToken: the checks of a token, with and without the network.
func TestToken(t *testing.T) {
	i, ca := issuer(t, issuertest.Config{})
	id, access := i.IDToken(issuertest.IDToken{}), i.AccessToken(issuertest.AccessToken{})
	for name, test := range map[string]struct {
		token  string
		args   []string
		status int
		want   string
	}{
		"ID token":                {id, nil, 0, "not checked"},
		"ID token, fetched":       {id, []string{"-fetch", "-issuer", i.URL, "-ca", ca}, 0, "14"},
		"ID token, other client":  {id, []string{"-audience", "other"}, 1, "aud"},
		"ID token, other issuer":  {id, []string{"-issuer", "https://other.example"}, 1, "iss"},
		"access token":            {access, nil, 0, "RFC 9068"},
		"access token, fetched":   {access, []string{"-fetch", "-issuer", i.URL, "-ca", ca}, 0, "Signature verifies by a key of the issuer         valid"},
		"access token, other API": {access, []string{"-audience", "https://other.example"}, 1, "for another API"},
		"changed":                 {access[:len(access)-8] + "AAAAAAAA", []string{"-fetch", "-issuer", i.URL, "-ca", ca}, 1, "failed"},
		"Bearer in front":         {"Bearer " + access, nil, 0, "RFC 9068"},
		"nothing":                 {" ", nil, 2, "pipe one"},
		"opaque":                  {"abc", nil, 1, "introspection"},
		"encrypted":               {"a.b.c.d.e", nil, 1, "JWE"},
		"not base64url":           {"a=.b.c", nil, 1, "base64url"},
		"not JSON":                {"YQ.YQ.YQ", nil, 1, "JSON"},
		"long":                    {strings.Repeat("a", 70<<10), nil, 1, "at most"},
	} {
		status, out := runs(t, test.token+"\n", append([]string{"token"}, append(test.args, "-")...)...)
		if status != test.status || !strings.Contains(out, test.want) {
			t.Errorf("%s: status %d, expected %d with %q\n%s", name, status, test.status, test.want, out)
		}
	}
}

// TestTokenKey: a key from a file or from the environment decrypts a token. Without a key the
// header is shown. No part of the key is printed.
func TestTokenKey(t *testing.T) {
	i, _ := issuer(t, issuertest.Config{})
	key, err := ecdh.X25519().NewPrivateKey([]byte("canary-private-key-of-32-bytes-1"))
	if err != nil {
		t.Fatal(err)
	}
	raw, err := jose.Encrypt(i.AccessToken(issuertest.AccessToken{}), "ECDH-ES", "A256GCM", "k1", key.PublicKey())
	if err != nil {
		t.Fatal(err)
	}
	d := base64.RawURLEncoding.EncodeToString(key.Bytes())
	jwk := `{"kty":"OKP","crv":"X25519","kid":"k1","d":"` + d + `"}`
	file := filepath.Join(t.TempDir(), "key.jwk")
	if err := os.WriteFile(file, []byte(jwk), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("DECRYPTION_KEY", jwk)
	t.Setenv("SIGNING_KEY", `{"kty":"OKP","crv":"Ed25519","d":"`+d+`"}`)
	for name, test := range map[string]struct {
		args   []string
		status int
		want   string
	}{
		"a file":          {[]string{"-key", file}, 0, "decrypted with -key"},
		"the environment": {[]string{"-key-env", "DECRYPTION_KEY"}, 0, "decrypted with -key"},
		"JSON":            {[]string{"-key", file, "-json"}, 0, `"passed": true`},
		"no key":          {nil, 1, `"enc": "A256GCM"`},
		"no key, JSON":    {[]string{"-json"}, 1, `-key FILE`},
		"both":            {[]string{"-key", file, "-key-env", "DECRYPTION_KEY"}, 2, "cannot be used together"},
		"no file":         {[]string{"-key", file + "x"}, 2, "no such file"},
		"not set":         {[]string{"-key-env", "NO_SUCH_VARIABLE"}, 2, "NO_SUCH_VARIABLE is empty or not set"},
		"another kind":    {[]string{"-key-env", "SIGNING_KEY"}, 2, "SIGNING_KEY: the JWK"},
	} {
		status, out := runs(t, raw, append([]string{"token"}, test.args...)...)
		if status != test.status || !strings.Contains(out, test.want) {
			t.Errorf("%s: status %d, expected %d with %q\n%s", name, status, test.status, test.want, out)
		}
		if strings.Contains(out, d) || strings.Contains(out, "canary") {
			t.Errorf("%s: the key is printed:\n%s", name, out)
		}
	}
}

// TestTokenJSON: standard output is one JSON document, also after an error.
func TestTokenJSON(t *testing.T) {
	i, ca := issuer(t, issuertest.Config{})
	for name, test := range map[string]struct {
		token  string
		args   []string
		status int
		want   string
	}{
		"access token": {i.AccessToken(issuertest.AccessToken{}), []string{"-fetch", "-issuer", i.URL, "-ca", ca}, 0, "access token (RFC 9068)"},
		"expired":      {i.IDToken(issuertest.IDToken{Claims: map[string]any{"exp": 1}}), nil, 1, "ID token"},
		"opaque":       {"abc", nil, 1, "unknown"},
	} {
		var o, e bytes.Buffer
		status := run(t.Context(), append([]string{"token", "-json"}, test.args...), standard{strings.NewReader(test.token), &o, &e})
		var d struct {
			Kind, Error string
			Checks      []struct{ Result string }
			Passed      *bool
		}
		if err := json.Unmarshal(o.Bytes(), &d); err != nil || status != test.status || d.Kind != test.want {
			t.Errorf("%s: status %d, %v\n%s%s", name, status, err, o.String(), e.String())
		}
		if checked := len(d.Checks) == 14 && d.Passed != nil && *d.Passed == (status == 0); checked == (d.Error != "") {
			t.Errorf("%s: %s", name, o.String())
		}
	}
}

// TestTokenFetchesNothing: without -fetch the issuer gets no request.
func TestTokenFetchesNothing(t *testing.T) {
	i, ca := issuer(t, issuertest.Config{})
	for _, format := range []string{"-json=false", "-json"} {
		runs(t, i.IDToken(issuertest.IDToken{}), "token", "-issuer", i.URL, "-ca", ca, format)
	}
	if sent := i.Exchanges(""); len(sent) != 0 {
		t.Errorf("%d requests", len(sent))
	}
}

// TestPages: the pages name every command.
func TestPages(t *testing.T) {
	for _, page := range []string{"README.md", "../../docs/command.md"} {
		text, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range commands {
			if !strings.Contains(string(text), "`"+c.name) && !strings.Contains(string(text), "countersign "+c.name) {
				t.Errorf("%s does not mention %s", page, c.name)
			}
		}
	}
}
