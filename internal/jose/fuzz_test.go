package jose_test

import (
	"encoding/base64"
	stdjson "encoding/json"
	"slices"
	"strings"
	"testing"

	gojose "github.com/go-jose/go-jose/v4"
	"github.com/lestrrat-go/jwx/v3/jwk"
	"github.com/lestrrat-go/jwx/v3/jws"

	"github.com/countersign/countersign/internal/badtoken"
	"github.com/countersign/countersign/internal/jose"
	"github.com/countersign/countersign/internal/optest"
)

// The fuzz targets compare this package with other libraries: it may reject what they accept, but
// not accept what they reject.

var allAlgs = []gojose.SignatureAlgorithm{
	"RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA", "Ed25519", "HS256", "HS384", "HS512",
}

// seeds are tokens of every kind, good and bad.
func seeds(f *testing.F) []string {
	k := optest.NewKey("k", "ES256")
	base := badtoken.Base{Key: k, Foreign: "https://evil.example", Claims: m{"iss": "https://as.example", "sub": "alice", "aud": "rp", "exp": int64(2e9), "iat": int64(19e8)}}
	out := []string{base.Good()}
	for _, c := range badtoken.Cases(base) {
		if len(c.Token) < 4<<10 {
			out = append(out, c.Token)
		}
	}
	return out
}

func FuzzParse(f *testing.F) {
	for _, s := range seeds(f) {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, raw string) {
		token, err := jose.Parse(raw, 0)
		if err != nil {
			if len(err.Error()) > 1024 {
				t.Errorf("an error of %d bytes", len(err.Error()))
			}
			return
		}
		if readsMore(raw) {
			return
		}
		algs := append([]gojose.SignatureAlgorithm{gojose.SignatureAlgorithm(token.Header.Alg)}, allAlgs...)
		other, err := gojose.ParseSignedCompact(raw, algs)
		if err != nil {
			t.Fatalf("go-jose refuses %q: %v", raw, err)
		}
		if string(other.UnsafePayloadWithoutVerification()) != string(token.Payload) || other.Signatures[0].Header.KeyID != token.Header.Kid {
			t.Errorf("go-jose reads %q in another way", raw)
		}
		if token.Header.CheckAlg([]string{token.Header.Alg}) != nil || strings.HasPrefix(token.Header.Alg, "ML-DSA-") {
			return // jwx rejects unknown algorithms
		}
		message, err := jws.Parse([]byte(raw), jws.WithCompact())
		if err != nil {
			t.Fatalf("jwx refuses %q: %v", raw, err)
		}
		if string(message.Payload()) != string(token.Payload) {
			t.Errorf("jwx reads %q in another way", raw)
		}
	})
}

// readsMore reports whether the header has members that other libraries read, and that this
// package ignores on purpose.
func readsMore(raw string) bool {
	header, err := base64.RawURLEncoding.DecodeString(raw[:strings.IndexByte(raw, '.')])
	var members map[string]any
	if err != nil || stdjson.Unmarshal(header, &members) != nil {
		return false
	}
	for _, name := range []string{"jwk", "jku", "x5c", "x5t", "x5t#S256", "x5u", "nonce", "url", "cty", "iv", "tag"} {
		if _, ok := members[name]; ok {
			return true
		}
	}
	return false
}

func FuzzDecode(f *testing.F) {
	for _, s := range []string{`{}`, `{"sub":"a"}`, `{"a":[1,2.5e3,true,null,"x"]}`, `{"a":1,"a":2}`, `{"a":{"b":{}}}`, "{\"a\":\"\xff\"}", `{"a":"\ud800"}`, `{} `, "\ufeff{}", `{"exp":1e400}`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		var ours map[string]any
		if err := jose.Decode(raw, &ours, jose.TokenLimits); err != nil {
			if len(err.Error()) > 512 {
				t.Errorf("an error of %d bytes", len(err.Error()))
			}
			return
		}
		var theirs map[string]any
		if err := stdjson.Unmarshal(raw, &theirs); err != nil || theirs == nil {
			t.Fatalf("encoding/json refuses %q: %v", raw, err)
		}
		if len(ours) != len(theirs) {
			t.Errorf("encoding/json reads %q in another way", raw)
		}
	})
}

func FuzzParseSet(f *testing.F) {
	for _, alg := range []string{"RS256", "PS256", "ES256", "ES512", "EdDSA"} {
		f.Add(optest.JWKS(optest.NewKey("k", alg)))
	}
	for _, name := range []string{"use", "alg", "kid", "crv", "x", "d", "x5c"} {
		raw, _ := stdjson.Marshal(m{"keys": []any{with(optest.NewKey("k", "RS256"), nulls(name))}})
		f.Add(raw)
	}
	for _, key := range odd {
		raw, _ := stdjson.Marshal(m{"keys": []any{key}})
		f.Add(raw)
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		set, err := jose.ParseSet(raw)
		if err != nil || set.Len() == 0 {
			return
		}
		var doc struct{ Keys []stdjson.RawMessage }
		if err := stdjson.Unmarshal(raw, &doc); err != nil {
			t.Fatalf("encoding/json refuses %q: %v", raw, err)
		}
		for _, k := range doc.Keys {
			if _, err := jose.ParseKey(k); err != nil {
				continue
			}
			if hasMore(k) {
				continue // other libraries check members that are ignored here
			}
			if _, err := jwk.ParseKey(k); err != nil {
				t.Errorf("jwx refuses %s: %v", k, err)
			}
			var g gojose.JSONWebKey
			if err := g.UnmarshalJSON(k); err != nil || !g.Valid() || !g.IsPublic() {
				t.Errorf("go-jose refuses %s: %v", k, err)
			}
		}
	})
}

// hasMore reports whether a JWK has members other than the key, its name and its use, or a member
// that is null.
func hasMore(k []byte) bool {
	var members map[string]any
	if stdjson.Unmarshal(k, &members) != nil {
		return true
	}
	for name, value := range members {
		if value == nil || !slices.Contains([]string{"kty", "kid", "alg", "use", "crv", "n", "e", "x", "y"}, name) {
			return true
		}
	}
	return false
}

func FuzzDecrypt(f *testing.F) {
	var keys []jose.PrivateKey
	for kind, key := range recipients(f) {
		keys = append(keys, jose.PrivateKey{ID: kind, Key: key.private})
		for _, alg := range algsFor(kind) {
			for _, enc := range []string{"A128GCM", "A128CBC-HS256"} {
				good, err := jose.Encrypt("a.b.c", alg, enc, kind, key.public)
				if err != nil {
					f.Fatal(err)
				}
				f.Add(good)
			}
		}
	}
	for _, s := range seeds(f) {
		if jose.IsEncrypted(s) {
			f.Add(s)
		}
	}
	f.Fuzz(func(t *testing.T, raw string) {
		plain, err := jose.Decrypt(raw, 0, jose.DecryptionAlgsWith(true), keys)
		if err == nil && string(plain) != "a.b.c" {
			t.Errorf("%q opens to %q", raw, plain)
		}
		if err != nil && len(err.Error()) > 1024 {
			t.Errorf("an error of %d bytes", len(err.Error()))
		}
	})
}
