package dpop_test

import (
	"context"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"maps"
	"strings"
	"testing"
	"time"

	"github.com/countersign/countersign/internal/badtoken"
	"github.com/countersign/countersign/internal/dpop"
	"github.com/countersign/countersign/internal/jose"
	"github.com/countersign/countersign/internal/optest"
)

type m = map[string]any

const token = "the-access-token"

var at = time.Unix(1_800_000_000, 0)

func ath(token string) string {
	sum := sha256.Sum256([]byte(token))
	return optest.B64(sum[:])
}

// public returns k's JWK as in a proof, without kid and use.
func public(k optest.Key) m {
	jwk := k.JWK()
	delete(jwk, "kid")
	delete(jwk, "use")
	delete(jwk, "alg")
	return jwk
}

func overlay(base, more m) m {
	out := maps.Clone(base)
	for name, value := range more {
		out[name] = value
		if value == nil {
			delete(out, name)
		}
	}
	return out
}

func claims() m {
	return m{"jti": "1", "htm": "GET", "htu": "https://api.example/photos", "iat": at.Unix(), "ath": ath(token), "nonce": "n"}
}

func expected(t testing.TB, k optest.Key) dpop.Expected {
	_, thumbprint, err := jose.PublicJWK(k.Private.Public())
	if err != nil {
		t.Fatal(err)
	}
	return dpop.Expected{
		Method: "GET", URL: "https://api.example/photos", AccessToken: token, Thumbprint: thumbprint, Now: at,
		Algs: []string{"ES256", "ES384", "RS256", "PS256", "EdDSA", "Ed25519"},
		Nonce: func(nonce string) error {
			if nonce != "n" {
				return errors.New("another nonce")
			}
			return nil
		},
	}
}

// TestCheck: RFC 9449 §4.3. RS-10.
func TestCheck(t *testing.T) {
	k, other := optest.NewKey("k", "ES256"), optest.NewKey("o", "ES256")
	secret := optest.NewKey("k", "HS256")
	for _, test := range []struct {
		name           string
		key            optest.Key
		claims, header m
		ok             bool
	}{
		{"good", k, nil, nil, true},
		{"htu in other letters", k, m{"htu": "HTTPS://API.example:443/%70hotos"}, nil, true},
		{"htu with a query", k, m{"htu": "https://api.example/photos?x=1#y"}, nil, true},
		{"a minute old", k, m{"iat": at.Unix() - 60}, nil, true},
		{"ten seconds ahead", k, m{"iat": at.Unix() + 10}, nil, true},
		{"a fraction of a second", k, m{"iat": float64(at.Unix()) + 0.5}, nil, true},

		{"too old", k, m{"iat": at.Unix() - 61}, nil, false},
		{"too far ahead", k, m{"iat": at.Unix() + 11}, nil, false},
		{"no iat", k, m{"iat": nil}, nil, false},
		{"iat a string", k, m{"iat": "1800000000"}, nil, false},
		{"no jti", k, m{"jti": nil}, nil, false},
		{"jti empty", k, m{"jti": ""}, nil, false},
		{"jti a number", k, m{"jti": 1}, nil, false},
		{"jti long", k, m{"jti": strings.Repeat("x", 257)}, nil, false},
		{"no htm", k, m{"htm": nil}, nil, false},
		{"htm of another", k, m{"htm": "POST"}, nil, false},
		{"htm in small letters", k, m{"htm": "get"}, nil, false},
		{"no htu", k, m{"htu": nil}, nil, false},
		{"htu of another path", k, m{"htu": "https://api.example/photos/"}, nil, false},
		{"htu of another host", k, m{"htu": "https://evil.example/photos"}, nil, false},
		{"htu with user info", k, m{"htu": "https://u@api.example/photos"}, nil, false},
		{"htu over http", k, m{"htu": "http://api.example/photos"}, nil, false},
		{"htu on another port", k, m{"htu": "https://api.example:8443/photos"}, nil, false},
		{"htu relative", k, m{"htu": "/photos"}, nil, false},
		{"no ath", k, m{"ath": nil}, nil, false},
		{"ath of another token", k, m{"ath": ath("other")}, nil, false},
		{"ath padded", k, m{"ath": ath(token) + "="}, nil, false},
		{"no nonce", k, m{"nonce": nil}, nil, false},
		{"another nonce", k, m{"nonce": "x"}, nil, false},

		{"typ JWT", k, nil, m{"typ": "JWT"}, false},
		{"no typ", k, nil, m{"typ": nil}, false},
		{"alg none", k, nil, m{"alg": "none"}, false},
		{"alg of another family", k, nil, m{"alg": "RS256"}, false},
		{"symmetric", secret, nil, m{"jwk": m{"kty": "oct", "k": optest.B64(secret.Secret)}}, false},
		{"no jwk", k, nil, m{"jwk": nil}, false},
		{"jwk null", k, nil, m{"jwk": json.RawMessage("null")}, false},
		{"jwk a string", k, nil, m{"jwk": "x"}, false},
		{"jwk with d", k, nil, m{"jwk": overlay(public(k), m{"d": "AA"})}, false},
		{"jwk with d null", k, nil, m{"jwk": overlay(public(k), m{"d": json.RawMessage("null")})}, false},
		{"jwk with k", k, nil, m{"jwk": overlay(public(k), m{"k": "AA"})}, false},
		{"jwk for encryption", k, nil, m{"jwk": overlay(public(k), m{"use": "enc"})}, false},
		{"jwk for another alg", k, nil, m{"jwk": overlay(public(k), m{"alg": "ES384"})}, false},
		{"jwk of another curve", k, nil, m{"jwk": overlay(public(k), m{"crv": "P-384"})}, false},
		{"jwk off the curve", k, nil, m{"jwk": overlay(public(k), m{"x": optest.B64(make([]byte, 32))})}, false},
		{"jwk with a short coordinate", k, nil, m{"jwk": overlay(public(k), m{"x": "AA"})}, false},
		{"jwk of no type", k, nil, m{"jwk": overlay(public(k), m{"kty": "AKP"})}, false},
		{"another's jwk", k, nil, m{"jwk": public(other)}, false},
		{"another key", other, nil, nil, false},
		{"another key behind the right jwk", other, nil, m{"jwk": public(k)}, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			header := m{"typ": "dpop+jwt", "kid": nil}
			if test.key.Private != nil {
				header["jwk"] = public(test.key)
			}
			maps.Copy(header, test.header)
			raw := test.key.Sign(overlay(claims(), test.claims), header)
			got, err := dpop.Check(raw, expected(t, k))
			if (err == nil) != test.ok {
				t.Fatalf("%+v, %v", got, err)
			}
			if test.ok && (got.ID != "1" || got.Nonce != "n") {
				t.Errorf("%+v", got)
			}
		})
	}
}

// TestKeys: a key of each type has the thumbprint that the client computes.
func TestKeys(t *testing.T) {
	for _, alg := range []string{"ES256", "ES384", "RS256", "PS256", "EdDSA"} {
		k := optest.NewKey("k", alg)
		raw := k.Sign(claims(), m{"typ": "dpop+jwt", "kid": nil, "jwk": public(k)})
		if _, err := dpop.Check(raw, expected(t, k)); err != nil {
			t.Errorf("%s: %v", alg, err)
		}
		want := expected(t, k)
		want.Algs = []string{"ES512"}
		if _, err := dpop.Check(raw, want); err == nil {
			t.Errorf("%s: accepted where only ES512 is", alg)
		}
		want = expected(t, optest.NewKey("o", alg))
		if _, err := dpop.Check(raw, want); !dpop.ErrKey(err) {
			t.Errorf("%s: another key: %v", alg, err)
		}
	}
	k := optest.NewKey("k", "EdDSA")
	raw := k.Sign(claims(), m{"typ": "dpop+jwt", "kid": nil, "jwk": overlay(public(k), m{"alg": "Ed25519"})})
	if _, err := dpop.Check(raw, expected(t, k)); err != nil {
		t.Errorf("the other name of its alg: %v", err)
	}
	k = optest.NewKey("k", "RS256")
	raw = k.Sign(claims(), m{"typ": "dpop+jwt", "kid": nil, "jwk": overlay(public(k), m{"alg": "PS256"})})
	if _, err := dpop.Check(raw, expected(t, k)); err == nil {
		t.Error("a key for another alg of its type is accepted")
	}
	jwk := public(k)
	jwk["n"] = optest.B64(append([]byte{0}, k.Private.Public().(*rsa.PublicKey).N.Bytes()...))
	if _, err := dpop.Check(k.Sign(claims(), m{"typ": "dpop+jwt", "jwk": jwk}), expected(t, k)); err == nil {
		t.Error("a modulus with zeros before it is accepted")
	}
}

// TestRemembered: a header that was in a good proof before is still checked.
func TestRemembered(t *testing.T) {
	for _, alg := range []string{"ES256", "RS256", "EdDSA"} {
		k, thief := optest.NewKey("k", alg), optest.NewKey("thief", alg)
		header, want := m{"typ": "dpop+jwt", "kid": nil, "jwk": public(k)}, expected(t, k)
		for i := range 3 {
			if _, err := dpop.Check(k.Sign(overlay(claims(), m{"jti": strings.Repeat("x", i+1)}), header), want); err != nil {
				t.Errorf("%s: %v", alg, err)
			}
			if _, err := dpop.Check(thief.Sign(claims(), header), want); !errors.Is(err, jose.ErrSignature) {
				t.Errorf("%s: under the same header by another key: %v", alg, err)
			}
			if _, err := dpop.Check(k.Sign(overlay(claims(), m{"htm": "PUT"}), header), want); err == nil {
				t.Errorf("%s: another method is accepted", alg)
			}
			if _, err := dpop.Check(k.Sign(claims(), header), expected(t, thief)); !dpop.ErrKey(err) {
				t.Errorf("%s: for a token of another key: %v", alg, err)
			}
		}
	}
}

// TestBadProofs checks proofs with the faults of the project's list in form, header, signature
// and payload.
func TestBadProofs(t *testing.T) {
	for _, alg := range []string{"ES256", "RS256"} {
		k := optest.NewKey("k1", alg)
		all := overlay(claims(), m{"iss": "https://as.example", "aud": "x", "sub": "y", "exp": 9}) // which is not checked
		base := badtoken.Base{Key: k, Header: m{"typ": "dpop+jwt", "jwk": public(k)}, Claims: all, Foreign: "https://foreign.example"}
		want := expected(t, k)
		want.Algs = []string{alg}
		verify := func(_ context.Context, raw string) error {
			_, err := dpop.Check(raw, want)
			return err
		}
		badtoken.Run(t, base, false, verify)
		for _, c := range badtoken.Cases(base) {
			if strings.HasPrefix(c.Name, "payload/") && verify(t.Context(), c.Token) == nil {
				t.Errorf("%s: accepted", c.Name)
			}
		}
	}
}

// TestNormalizeURL: RFC 3986 §6.2.2, §6.2.3.
func TestNormalizeURL(t *testing.T) {
	for in, want := range map[string]string{
		"https://a.example":                    "https://a.example/",
		"HTTPS://A.Example:443/":               "https://a.example/",
		"http://a.example:80/x":                "http://a.example/x",
		"http://a.example:443/x":               "http://a.example:443/x",
		"https://a.example:/x":                 "https://a.example/x",
		"https://a.example/a/./b/../c":         "https://a.example/a/c",
		"https://a.example/../../a":            "https://a.example/a",
		"https://a.example/a/..":               "https://a.example/",
		"https://a.example/a/.":                "https://a.example/a/",
		"https://a.example/a//b":               "https://a.example/a//b",
		"https://a.example/%7ealice/%2f%c3%a9": "https://a.example/~alice/%2F%C3%A9",
		"https://a.example/%2e%2e/x":           "https://a.example/x",
		"https://a.example/x?y=1#z":            "https://a.example/x",
		"https://[::1]:443/x":                  "https://[::1]/x",
		"https://[::443]/x":                    "https://[::443]/x",
		"https://a.example/a b":                "https://a.example/a%20b",
		"https://a.example/a|b%2fc\"é":         "https://a.example/a%7Cb%2Fc%22%C3%A9",
		"https://a.example/a%7cb[1]":           "https://a.example/a%7Cb[1]",
	} {
		if got, err := dpop.NormalizeURL(in); err != nil || got != want {
			t.Errorf("%s: %s, %v", in, got, err)
		}
	}
	for _, in := range []string{"", "/x", "a.example/x", "ftp://a.example/", "https:///x", "https://u:p@a.example/", "mailto:a@example", "https://:443/", "https://a.example/%zz", "javascript:alert(1)"} {
		if got, err := dpop.NormalizeURL(in); err == nil {
			t.Errorf("%s: %s", in, got)
		}
	}
}

// FuzzCheck: only the one proof that the test made is accepted.
func FuzzCheck(f *testing.F) {
	k := optest.Key{ID: "k", Alg: "EdDSA", Private: ed25519.NewKeyFromSeed(make([]byte, 32))} // the same in every worker
	want := expected(f, k)
	good := k.Sign(claims(), m{"typ": "dpop+jwt", "kid": nil, "jwk": public(k)})
	f.Add(good)
	f.Add(good[1:])
	f.Add("..")
	f.Fuzz(func(t *testing.T, raw string) {
		if _, err := dpop.Check(raw, want); (err == nil) != (raw == good) {
			t.Errorf("%q: %v", raw, err)
		}
	})
}

// FuzzNormalizeURL: normalizing twice changes nothing.
func FuzzNormalizeURL(f *testing.F) {
	for _, s := range []string{"https://a.example/%7e/../x", "http://A:80/%2e", "https://[::1]/a//b/."} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		once, err := dpop.NormalizeURL(s)
		if err != nil {
			return
		}
		if twice, err := dpop.NormalizeURL(once); err != nil || twice != once {
			t.Errorf("%q: %q, %q, %v", s, once, twice, err)
		}
	})
}
