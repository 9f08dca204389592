package jose_test

import (
	"context"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/lestrrat-go/jwx/v3/jwk"

	"github.com/countersign/countersign/internal/jose"
)

// vectors are the JOSE vectors of C2SP/wycheproof, which are not in this repository.
const vectors = "../../../shared/wycheproof"

type vectorFile struct {
	TestGroups []struct {
		Public, Private json.RawMessage
		Tests           []struct {
			TcID            int
			Comment, Result string
			JWS, JWE, Pt    string
			Public, Private json.RawMessage
		}
	}
}

func load(t *testing.T, name string, v any) {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join(vectors, name))
	if os.IsNotExist(err) {
		t.Skipf("the vectors are not here: %s", name)
	}
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(raw, v); err != nil {
		t.Fatal(err)
	}
}

// exceptions are the vectors whose label is wrong or contradicts the module's policy, with the
// expected result.
func exceptions(t *testing.T, file string) map[int]bool {
	var list []struct {
		File, Why string
		TcID      int
	}
	load(t, "exceptions.json", &list)
	accept := map[int]bool{349: true, 357: true, 367: true, 370: true} // the others are refused
	out := map[int]bool{}
	for _, e := range list {
		if e.File == file {
			out[e.TcID] = file == "json_web_signature_test" && accept[e.TcID]
		}
	}
	return out
}

func (f *vectorFile) signatures(t *testing.T, file string) {
	odd := exceptions(t, file)
	n := 0
	for _, g := range f.TestGroups {
		for _, test := range g.Tests {
			want := test.Result == "valid"
			if w, ok := odd[test.TcID]; ok {
				want = w
			}
			key := g.Public
			if len(key) == 0 {
				key = g.Private
			}
			n++
			if err := verifyVector(key, test.JWS); (err == nil) != want {
				t.Errorf("%s %d (%s): got %v, want accepted = %v", file, test.TcID, test.Comment, err, want)
			}
		}
	}
	t.Logf("%s: %d vectors", file, n)
}

// verifyVector uses the key as an application does: a symmetric key as a configured secret, a
// public key in a key set.
func verifyVector(key json.RawMessage, jws string) error {
	var k struct {
		Keys             []json.RawMessage
		Kty, Alg, K, Kid string
	}
	if err := json.Unmarshal(key, &k); err != nil {
		return err
	}
	if len(k.Keys) == 1 {
		return verifyVector(k.Keys[0], jws)
	}
	token, err := jose.Parse(jws, 0)
	if err != nil {
		return err
	}
	if k.Alg != "" {
		if err := token.Header.CheckAlg([]string{k.Alg}); err != nil {
			return err
		}
	}
	var set *jose.Set
	if k.Kty == "oct" {
		secret, err := base64.RawURLEncoding.DecodeString(k.K)
		if err != nil {
			return err
		}
		set = jose.NewSecretSet(secret)
	} else if set, err = jose.ParseSet([]byte(`{"keys":[` + string(key) + `]}`)); err != nil {
		return err
	}
	return set.VerifyToken(context.Background(), token)
}

func TestWycheproofSignatures(t *testing.T) {
	for _, file := range []string{"json_web_signature_test", "json_web_key_test"} {
		var f vectorFile
		load(t, file+".json", &f)
		f.signatures(t, file)
	}
}

// TestWycheproofEncryption decrypts with more algorithms than the module allows, so that the
// vectors test as much code as possible.
func TestWycheproofEncryption(t *testing.T) {
	const file = "json_web_encryption_test"
	algs := append([]string{"RSA-OAEP", "A128KW", "A192KW", "A256KW", "A128GCMKW", "A192GCMKW", "A256GCMKW"}, jose.DecryptionAlgs...)
	var f vectorFile
	load(t, file+".json", &f)
	odd := exceptions(t, file)
	n := 0
	for _, g := range f.TestGroups {
		for _, test := range g.Tests {
			want := test.Result == "valid"
			if w, ok := odd[test.TcID]; ok {
				want = w
			}
			n++
			plain, err := decryptVector(g.Private, test.JWE, algs)
			if (err == nil) != want {
				t.Errorf("%d (%s): got %v, want accepted = %v", test.TcID, test.Comment, err, want)
			} else if want && hex.EncodeToString(plain) != test.Pt {
				t.Errorf("%d (%s): decrypted to something else", test.TcID, test.Comment)
			}
		}
	}
	t.Logf("%s: %d vectors", file, n)
}

func decryptVector(key json.RawMessage, jwe string, algs []string) ([]byte, error) {
	parsed, err := jwk.ParseKey(key)
	if err != nil {
		return nil, err
	}
	var private any
	if err := jwk.Export(parsed, &private); err != nil {
		return nil, err
	}
	id, _ := parsed.KeyID()
	if alg, ok := parsed.Algorithm(); ok && slices.Contains(algs, alg.String()) {
		algs = []string{alg.String()} // a key is used only with its algorithm
	}
	return jose.Decrypt(jwe, 0, algs, []jose.PrivateKey{{ID: id, Key: private}})
}
