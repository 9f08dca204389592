package tokenview

import (
	"bytes"
	"crypto/ecdh"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"strings"

	"github.com/countersign/countersign/idtoken"
)

// ParseKeys reads the private keys that open encrypted tokens: a JWK, a JWK set, or PEM. No
// error quotes the data.
func ParseKeys(data []byte) ([]idtoken.DecryptionKey, error) {
	data = bytes.TrimSpace(data)
	if bytes.HasPrefix(data, []byte("{")) {
		return parseJWKs(data)
	}
	return parsePEM(data)
}

func parsePEM(data []byte) (keys []idtoken.DecryptionKey, err error) {
	for block, rest := pem.Decode(data); block != nil; block, rest = pem.Decode(rest) {
		private, err := parseBlock(block)
		switch {
		case err != nil:
			return nil, err
		case private != nil:
			keys = append(keys, idtoken.DecryptionKey{Key: private})
		}
	}
	if keys == nil {
		return nil, errors.New("no private key found, expected a private JWK or PEM (BEGIN PRIVATE KEY)")
	}
	return keys, nil
}

// parseBlock returns nil for parameters and certificates, which a file may have beside the key.
func parseBlock(block *pem.Block) (private any, err error) {
	switch block.Type {
	case "PRIVATE KEY":
		private, err = x509.ParsePKCS8PrivateKey(block.Bytes)
	case "RSA PRIVATE KEY":
		private, err = x509.ParsePKCS1PrivateKey(block.Bytes)
	case "EC PRIVATE KEY":
		private, err = x509.ParseECPrivateKey(block.Bytes)
	case "ENCRYPTED PRIVATE KEY":
		return nil, errors.New("the private key has a passphrase: remove it with openssl pkcs8")
	case "PUBLIC KEY", "RSA PUBLIC KEY":
		return nil, errPublic
	default:
		return nil, nil
	}
	if err != nil {
		return nil, errors.New("the private key is malformed: convert older formats with openssl pkcs8 -topk8 -nocrypt")
	}
	return private, canOpen(private)
}

var errPublic = errors.New("the key is public: pass the recipient's private key")

func canOpen(private any) error {
	switch private.(type) {
	case *rsa.PrivateKey, *ecdsa.PrivateKey, *ecdh.PrivateKey:
		return nil
	}
	return errors.New("the key is for signatures only, expected RSA, EC or X25519")
}

// jwk has the members of a private key (RFC 7518 §6.2, §6.3, RFC 8037 §2).
type jwk struct {
	Kty string `json:"kty"`
	Kid string `json:"kid"`
	Use string `json:"use"`
	Crv string `json:"crv"`
	N   number `json:"n"`
	E   number `json:"e"`
	D   number `json:"d"`
	P   number `json:"p"`
	Q   number `json:"q"`
}

// number is a member in base64url.
type number []byte

// UnmarshalText implements encoding.TextUnmarshaler.
func (n *number) UnmarshalText(text []byte) (err error) {
	*n, err = base64.RawURLEncoding.DecodeString(string(text))
	return err
}

func (n number) int() *big.Int { return new(big.Int).SetBytes(n) }

func parseJWKs(data []byte) (keys []idtoken.DecryptionKey, err error) {
	var set struct {
		Keys []jwk `json:"keys"`
		jwk
	}
	if json.Unmarshal(data, &set) != nil {
		return nil, errors.New("the JWK is malformed")
	}
	if set.Keys == nil {
		set.Keys = []jwk{set.jwk}
	}
	for _, k := range set.Keys {
		if k.Use == "sig" && len(set.Keys) > 1 {
			continue
		}
		private, err := k.private()
		if err != nil {
			return nil, fmt.Errorf("the JWK %q: %w", printable(k.Kid), err)
		}
		keys = append(keys, idtoken.DecryptionKey{KeyID: k.Kid, Key: private})
	}
	if keys == nil {
		return nil, errors.New("the JWK set has no key for encryption")
	}
	return keys, nil
}

var curves = map[string]elliptic.Curve{"P-256": elliptic.P256(), "P-384": elliptic.P384(), "P-521": elliptic.P521()}

func (k jwk) private() (private any, err error) {
	switch {
	case k.Kty == "oct":
		return nil, errors.New("the key is symmetric, expected RSA, EC or X25519")
	case len(k.D) == 0:
		return nil, errPublic
	case k.Kty == "RSA":
		private, err = k.rsa()
	case k.Kty == "EC" && curves[k.Crv] != nil:
		private, err = ecdsa.ParseRawPrivateKey(curves[k.Crv], k.D)
	case k.Kty == "OKP" && k.Crv == "X25519":
		private, err = ecdh.X25519().NewPrivateKey(k.D)
	default:
		return nil, errors.New("the key type " + strings.TrimSpace(printable(k.Kty+" "+k.Crv)) + " is not supported, expected RSA, EC or X25519")
	}
	if err != nil {
		return nil, errors.New("the numbers of the key do not fit each other")
	}
	return private, nil
}

func (k jwk) rsa() (*rsa.PrivateKey, error) {
	e := k.E.int()
	if !e.IsInt64() || e.Int64() > 1<<31-1 || len(k.P) == 0 || len(k.Q) == 0 {
		return nil, errors.New("e, p or q is missing or too large")
	}
	private := &rsa.PrivateKey{PublicKey: rsa.PublicKey{N: k.N.int(), E: int(e.Int64())}, D: k.D.int(), Primes: []*big.Int{k.P.int(), k.Q.int()}}
	if err := private.Validate(); err != nil {
		return nil, err
	}
	private.Precompute()
	return private, nil
}
