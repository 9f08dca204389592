package auth

import (
	"crypto"
	"crypto/x509"
	"encoding/base64"
	"errors"

	"github.com/countersign/countersign/internal/jose"
)

// SigningKey is a private key of the client, registered at the server. Key may be in a KMS or an
// HSM. It redacts itself in fmt and log/slog. Encoders such as encoding/json return an error: use
// [SigningKey.Encode]. It is safe for concurrent use if Key is.
type SigningKey struct {
	hidden[SigningKey]

	// KeyID is the kid of the registered public key. "" sends none.
	KeyID string

	// Alg is the signature algorithm. "" is for EC and Ed25519 keys, which have only one. An RSA
	// key requires a value such as "PS256" or "RS256".
	Alg string

	// Key signs. It receives no context, and callers wait for it without a deadline. A remote
	// signer must apply its own timeout.
	Key crypto.Signer
}

var errEncodeKey = errors.New("auth: a SigningKey cannot be encoded directly: encode the result of SigningKey.Encode with KeyID and Alg, and decode that result with ParseSigningKey")

// MarshalJSON returns an error that names [SigningKey.Encode].
func (SigningKey) MarshalJSON() ([]byte, error) { return nil, errEncodeKey }

// MarshalText returns an error that names [SigningKey.Encode]. Encoders of YAML and XML call it.
func (SigningKey) MarshalText() ([]byte, error) { return nil, errEncodeKey }

// MarshalBinary returns an error that names [SigningKey.Encode]. encoding/gob calls it.
func (SigningKey) MarshalBinary() ([]byte, error) { return nil, errEncodeKey }

// KeySource returns the key to sign with. It is called for every JWT, so keys can be rotated
// while the program runs. A SigningKey is its own source.
type KeySource interface {
	Current() SigningKey
}

// Current implements KeySource.
func (k SigningKey) Current() SigningKey { return k }

// Algorithm returns the signature algorithm of the key, or an error if it cannot sign.
func (k SigningKey) Algorithm() (string, error) {
	s, err := k.signer()
	if err != nil {
		return "", err
	}
	return s.Alg(), nil
}

func (k SigningKey) signer() (*jose.Signer, error) { return jose.NewSigner(k.Key, k.Alg, k.KeyID) }

// Encode returns the private key as PKCS #8 in base64, for an application to store. The result
// contains neither KeyID nor Alg. Encode returns an error if the key cannot be exported, for
// example from a KMS.
func (k SigningKey) Encode() (string, error) {
	if k.Key == nil {
		return "", errors.New("the key is nil")
	}
	der, err := x509.MarshalPKCS8PrivateKey(k.Key)
	return base64.StdEncoding.EncodeToString(der), err
}

// ParseSigningKey decodes the result of [SigningKey.Encode]. It returns an error for everything
// else.
func ParseSigningKey(encoded string) (SigningKey, error) {
	malformed := errors.New("the stored DPoP key of the login is malformed, expected the result of SigningKey.Encode")
	der, err := base64.StdEncoding.DecodeString(encoded)
	if err != nil {
		return SigningKey{}, malformed
	}
	private, err := x509.ParsePKCS8PrivateKey(der)
	if err != nil {
		return SigningKey{}, malformed
	}
	signer, ok := private.(crypto.Signer)
	if !ok {
		return SigningKey{}, errors.New("the stored DPoP key of the login is not a signing key")
	}
	return SigningKey{Key: signer}, nil
}
