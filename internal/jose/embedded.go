package jose

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"math/big"

	"github.com/go-json-experiment/json/jsontext"
)

// embeddedKey is a public JWK in a JWT's own header: RFC 7518 §6, RFC 8037 §2. It lists every
// private member too, so that a private key is detected.
type embeddedKey struct {
	Kty text `json:"kty"`
	Crv text `json:"crv"`
	X   text `json:"x"`
	Y   text `json:"y"`
	N   text `json:"n"`
	E   text `json:"e"`

	Alg    text           `json:"alg"`
	Use    *text          `json:"use"`
	KeyOps jsontext.Value `json:"key_ops"`

	D   jsontext.Value `json:"d"`
	P   jsontext.Value `json:"p"`
	Q   jsontext.Value `json:"q"`
	DP  jsontext.Value `json:"dp"`
	DQ  jsontext.Value `json:"dq"`
	QI  jsontext.Value `json:"qi"`
	Oth jsontext.Value `json:"oth"`
	K   jsontext.Value `json:"k"`
}

var (
	errAsymmetric = errors.New("header: alg is not asymmetric")

	errEmbedded = errors.New("header: jwk is not a usable public key")
	errPrivate  = errors.New("header: jwk contains a private or symmetric key")
)

// VerifyEmbedded verifies t's signature with the key in its own header, and returns the key's
// SHA-256 thumbprint (RFC 7638). Use it only for DPoP proofs (RFC 9449 §4.2) and for the
// registration of a device bound session. The signature proves that the sender has the key.
// It does not prove who the sender is.
func VerifyEmbedded(t *Token) (thumbprint string, err error) {
	a := algorithms[t.Header.Alg]
	if a == nil || a.family == hmacSHA {
		return "", errAsymmetric
	}
	if t.embedded == nil {
		if t.embedded, err = parseEmbedded(t.Header.JWK); err != nil {
			return "", err
		}
	}
	if k := t.embedded.key; k.Alg != "" && !a.is(k.Alg) { // RFC 7517 §4.4
		return "", errEmbedded
	}
	if err := a.verify(t, t.embedded.key.material); err != nil {
		return "", err
	}
	knownProofs.keep(t)
	return t.embedded.thumbprint, nil
}

// EmbeddedJWK returns the key in t's header after [VerifyEmbedded] has used it: only its
// required members, in the order of RFC 7638 §3.2. Before that it returns "".
func (t *Token) EmbeddedJWK() string {
	if t.embedded == nil {
		return ""
	}
	return t.embedded.canonical
}

// VerifyJWK verifies t's signature with one public JWK that the caller has stored. It ignores
// a key in t's header.
func VerifyJWK(t *Token, jwk string) error {
	a := algorithms[t.Header.Alg]
	if a == nil || a.family == hmacSHA {
		return errAsymmetric
	}
	known, err := parseEmbedded([]byte(jwk))
	if err != nil {
		return err
	}
	return a.verify(t, known.key.material)
}

// embedded is the key in a header.
type embedded struct {
	key        Key
	thumbprint string
	canonical  string // the input of the thumbprint
}

func parseEmbedded(jwk []byte) (*embedded, error) {
	var w embeddedKey
	if err := Decode(jwk, &w, Limits{Bytes: maxHeader, Depth: 4, Members: 50}); err != nil {
		return nil, errEmbedded
	}
	k, canonical, err := w.key()
	if err != nil {
		return nil, err
	}
	if err := k.checkStrength(); err != nil {
		return nil, err
	}
	sum := sha256.Sum256([]byte(canonical))
	return &embedded{k, base64.RawURLEncoding.EncodeToString(sum[:]), canonical}, nil
}

// key returns the key, and its required members in the form of RFC 7638 §3.2.
func (w *embeddedKey) key() (Key, string, error) {
	for _, secret := range [...]jsontext.Value{w.D, w.P, w.Q, w.DP, w.DQ, w.QI, w.Oth, w.K} {
		if secret != nil {
			return Key{}, "", errPrivate
		}
	}
	if w.Use != nil && *w.Use != "sig" || w.KeyOps != nil && string(w.KeyOps) != `["verify"]` || w.Alg != "" && algorithms[string(w.Alg)] == nil {
		return Key{}, "", errEmbedded
	}
	k := Key{Alg: string(w.Alg)}
	var canonical string // RFC 7638 §3.2
	switch w.Kty {
	case "EC":
		k.material = w.ec()
		canonical = `{"crv":"` + string(w.Crv) + `","kty":"EC","x":"` + string(w.X) + `","y":"` + string(w.Y) + `"}`
	case "OKP":
		k.material = w.edwards()
		canonical = `{"crv":"` + string(w.Crv) + `","kty":"OKP","x":"` + string(w.X) + `"}`
	case "RSA":
		k.material = w.rsa()
		canonical = `{"e":"` + string(w.E) + `","kty":"RSA","n":"` + string(w.N) + `"}`
	}
	if k.material == nil {
		return Key{}, "", errEmbedded
	}
	return k, canonical, nil
}

// curves of RFC 7518 §6.2.1.1, with the size of a coordinate.
var curves = map[text]struct {
	curve elliptic.Curve
	size  int
}{"P-256": {elliptic.P256(), 32}, "P-384": {elliptic.P384(), 48}, "P-521": {elliptic.P521(), 66}}

// ec returns nil for a point that is not on its curve, or whose coordinates do not have full
// length (RFC 7518 §6.2.1.2).
func (w *embeddedKey) ec() any {
	c, known := curves[w.Crv]
	x, errX := DecodeBase64(string(w.X))
	y, errY := DecodeBase64(string(w.Y))
	if !known || errX != nil || errY != nil || len(x) != c.size || len(y) != c.size {
		return nil
	}
	point := append(append([]byte{4}, x...), y...)
	k, err := ecdsa.ParseUncompressedPublicKey(c.curve, point)
	if err != nil {
		return nil
	}
	return k
}

func (w *embeddedKey) edwards() any {
	x, err := DecodeBase64(string(w.X))
	if w.Crv != "Ed25519" || err != nil || len(x) != ed25519.PublicKeySize {
		return nil
	}
	return ed25519.PublicKey(x)
}

// rsa rejects numbers with leading zeros (RFC 7518 §2, Base64urlUInt): they would give one
// key several thumbprints.
func (w *embeddedKey) rsa() any {
	n, errN := DecodeBase64(string(w.N))
	e, errE := DecodeBase64(string(w.E))
	if errN != nil || errE != nil || len(n) == 0 || n[0] == 0 || len(e) == 0 || e[0] == 0 || len(e) > 4 {
		return nil
	}
	return &rsa.PublicKey{N: new(big.Int).SetBytes(n), E: int(new(big.Int).SetBytes(e).Int64())}
}
