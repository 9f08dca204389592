package jose

import (
	"crypto/ecdh"
	"crypto/ecdsa"
	"crypto/rsa"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/lestrrat-go/jwx/v3/jwa"
	"github.com/lestrrat-go/jwx/v3/jwe"
)

// DecryptionAlgs are the key management algorithms that are accepted for decryption. The list
// does not contain RSA1_5 (a padding oracle, RFC 8725 §3.2), RSA-OAEP with SHA-1, dir and
// PBES2.
var DecryptionAlgs = []string{"RSA-OAEP-256", "ECDH-ES", "ECDH-ES+A128KW", "ECDH-ES+A192KW", "ECDH-ES+A256KW"}

// DecryptionAlgsWith returns DecryptionAlgs, with RSA-OAEP (SHA-1) added if insecureRSAOAEP
// is true.
func DecryptionAlgsWith(insecureRSAOAEP bool) []string {
	if insecureRSAOAEP {
		return append(slices.Clone(DecryptionAlgs), "RSA-OAEP")
	}
	return DecryptionAlgs
}

// content is a row of the table of content encryption algorithms, RFC 7518 §5.1. Sizes are in
// bytes.
type content struct{ key, iv, tag int }

var contents = map[string]content{
	"A128GCM":       {16, 12, 16},
	"A192GCM":       {24, 12, 16},
	"A256GCM":       {32, 12, 16},
	"A128CBC-HS256": {32, 16, 16},
	"A192CBC-HS384": {48, 16, 24},
	"A256CBC-HS512": {64, 16, 32},
}

// PrivateKey is a key for decryption, with its kid.
type PrivateKey struct {
	ID  string // kid; "" fits any
	Key any    // *rsa.PrivateKey, *ecdsa.PrivateKey or *ecdh.PrivateKey
}

const maxTries = 4 // keys tried for a token without kid

// ErrDecrypt reports that no configured key decrypts the token. It has no details, because they
// could help an attacker.
var ErrDecrypt = errors.New("no configured key can decrypt the token: check DecryptionKeys and the registration at the server")

// Decrypt decrypts a JWE in compact form of at most max bytes (0 means [DefaultMaxSize]) that
// uses one of algs, and returns its plaintext.
func Decrypt(raw string, max int, algs []string, keys []PrivateKey) ([]byte, error) {
	var parts [5]string
	if err := split(raw, max, parts[:]); err != nil {
		return nil, err
	}
	h, err := decodeHeader(parts[0])
	if err != nil {
		return nil, err
	}
	if err := h.checkEncryption(algs); err != nil {
		return nil, err
	}
	if err := checkSizes(parts, h); err != nil {
		return nil, err
	}
	for i, key := range fitting(keys, h) {
		if i == maxTries {
			break
		}
		if plain, err := decrypt(raw, h.Alg, key.Key); err == nil {
			return plain, nil
		}
	}
	return nil, ErrDecrypt
}

func (h Header) checkEncryption(algs []string) error {
	if !slices.Contains(algs, h.Alg) {
		hint := ""
		if h.Alg == "RSA-OAEP" {
			hint = ": change the server, or set InsecureRSAOAEP"
		}
		return fmt.Errorf("encrypted with alg %s, expected one of %q%s", Quote(h.Alg), algs, hint)
	}
	if _, ok := contents[h.Enc]; !ok {
		return fmt.Errorf("encrypted with enc %s, which is not supported", Quote(h.Enc))
	}
	if h.zip { // RFC 8725 §3.6
		return errors.New("header: zip is not supported")
	}
	if h.Cty != "" && !strings.EqualFold(trimMediaType(h.Cty), "JWT") { // RFC 7519 §5.2
		return fmt.Errorf("header: cty is %s, expected JWT", Quote(h.Cty))
	}
	return nil
}

// checkSizes returns an error if a part has an impossible size, before any key is used.
func checkSizes(parts [5]string, h Header) error {
	sizes := [5]int{}
	for i, part := range parts {
		b, err := decodePart("part", part)
		if err != nil {
			return err
		}
		sizes[i] = len(b)
	}
	c := contents[h.Enc]
	ek, iv, tag := sizes[1], sizes[2], sizes[4]
	switch {
	case iv != c.iv || tag != c.tag:
		return errors.New("the initialization vector or the tag has the wrong size")
	case h.Alg == "ECDH-ES" && ek != 0:
		return errors.New("the token has an encrypted key, which ECDH-ES does not use")
	case strings.HasSuffix(h.Alg, "KW") && !strings.HasSuffix(h.Alg, "GCMKW") && ek != c.key+8: // RFC 3394 §2.2.1
		return errors.New("the encrypted key has the wrong size")
	}
	return nil
}

// fitting returns the keys that the header may refer to. A key with the header's kid comes first.
func fitting(keys []PrivateKey, h Header) []PrivateKey {
	var named, others []PrivateKey
	for _, k := range keys {
		switch {
		case !k.fits(h.Alg):
		case k.ID == h.Kid:
			named = append(named, k)
		case h.Kid == "" || k.ID == "":
			others = append(others, k)
		}
	}
	return append(named, others...)
}

func (k PrivateKey) fits(alg string) bool {
	switch k.Key.(type) {
	case *rsa.PrivateKey:
		return strings.HasPrefix(alg, "RSA-OAEP")
	case *ecdsa.PrivateKey, *ecdh.PrivateKey:
		return strings.HasPrefix(alg, "ECDH-ES")
	case []byte:
		return strings.HasPrefix(alg, "A")
	}
	return false
}

// decrypt calls the library. The library's errors may quote the input, and some inputs have
// made it panic. This function returns a fixed error in both cases.
func decrypt(raw, alg string, key any) (plain []byte, err error) {
	defer func() {
		if recover() != nil {
			plain, err = nil, ErrDecrypt
		}
	}()
	name, ok := jwa.LookupKeyEncryptionAlgorithm(alg)
	if !ok {
		return nil, ErrDecrypt
	}
	return jwe.Decrypt([]byte(raw), jwe.WithKey(name, key))
}
