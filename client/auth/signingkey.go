package auth

import (
	"crypto"
	"crypto/x509"
	"encoding/base64"
	"errors"

	"github.com/countersign/countersign/internal/jose"
)

// SigningKey is a private key of the client, registered at the server. Key may be in a
// KMS or an HSM. It redacts itself in fmt, log/slog and encoding.
type SigningKey struct {
	hidden[SigningKey]

	// KeyID is the kid under which the public key is registered. "" sends none.
	KeyID string

	// Alg is the signature algorithm. "" is for EC and Ed25519 keys, which have only
	// one; for an RSA key say "PS256" or "RS256".
	Alg string

	// Key signs. It hears of no context, and what waits for it waits as long as it takes: one
	// that is elsewhere must give up by itself.
	Key crypto.Signer
}

// KeySource gives the key to sign with. It is asked for every JWT, so that keys can
// be rotated while the program runs. A SigningKey is the source of itself.
type KeySource interface {
	Current() SigningKey
}

// Current implements KeySource.
func (k SigningKey) Current() SigningKey { return k }

// Algorithm gives the signature algorithm of the key, or why it cannot sign.
func (k SigningKey) Algorithm() (string, error) {
	s, err := k.signer()
	if err != nil {
		return "", err
	}
	return s.Alg(), nil
}

func (k SigningKey) signer() (*jose.Signer, error) { return jose.NewSigner(k.Key, k.Alg, k.KeyID) }

// Encode writes the private key, as PKCS #8 in base64, for an application to store. It holds
// neither KeyID nor Alg. A key that cannot be read (in a KMS, say) is an error.
func (k SigningKey) Encode() (string, error) {
	if k.Key == nil {
		return "", errors.New("there is no key")
	}
	der, err := x509.MarshalPKCS8PrivateKey(k.Key)
	return base64.StdEncoding.EncodeToString(der), err
}

// ParseSigningKey reads what [SigningKey.Encode] wrote.
func ParseSigningKey(encoded string) (SigningKey, error) {
	malformed := errors.New("the login's DPoP key is malformed")
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
		return SigningKey{}, errors.New("the login's DPoP key does not sign")
	}
	return SigningKey{Key: signer}, nil
}
