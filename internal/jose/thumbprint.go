package jose

import (
	"crypto"
	"encoding/base64"
	"encoding/json"
	"errors"
	"maps"

	"github.com/lestrrat-go/jwx/v3/jwk"
)

var errJWK = errors.New("cannot encode the key as a JWK")

// PublicJWK returns the public part of the Signer's key as a JWK with the required members
// only, and its SHA-256 thumbprint (RFC 7638).
func (s *Signer) PublicJWK() (raw json.RawMessage, thumbprint string, err error) {
	if s.key == nil {
		return nil, "", errJWK // a secret has no public part
	}
	return PublicJWK(s.key.Public())
}

// PublicJWK encodes a public key as a JWK and returns it with its SHA-256 thumbprint.
func PublicJWK(key crypto.PublicKey) (raw json.RawMessage, thumbprint string, err error) {
	if raw, thumbprint, ok := mlDSAJWK(key); ok {
		return raw, thumbprint, nil
	}
	k, err := jwk.Import(key)
	if err != nil {
		return nil, "", errJWK
	}
	sum, err := k.Thumbprint(crypto.SHA256)
	if err != nil {
		return nil, "", errJWK
	}
	if raw, err = json.Marshal(k); err != nil {
		return nil, "", errJWK
	}
	return raw, base64.RawURLEncoding.EncodeToString(sum), nil
}

// SignEmbedded is Sign for a JWT with its key in the header. It adds no kid.
func (s *Signer) SignEmbedded(header map[string]any, claims any) (string, error) {
	anonymous := *s
	anonymous.keyID = ""
	return anonymous.Sign(maps.Clone(header), claims)
}
