package jose

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"encoding/asn1"
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
)

// Signer signs JWTs with one key and one algorithm. The key may be in a KMS or an HSM: Signer
// only requests signatures from it.
type Signer struct {
	alg   *algorithm
	keyID string
	key   crypto.Signer
	mac   secret
}

// NewSigner returns a Signer. alg "" is allowed for a key that supports only one algorithm:
// ES256, ES384, ES512 or EdDSA. For an RSA key alg is required.
func NewSigner(key crypto.Signer, alg, keyID string) (*Signer, error) {
	if key == nil {
		return nil, errors.New("the signing key is nil: set it")
	}
	public := ownKey(key.Public())
	if alg == "" {
		alg = onlyAlg(public)
	}
	a := algorithms[alg]
	if a == nil {
		return nil, fmt.Errorf("signature algorithm %s is not supported: for an RSA key set Alg, for example to PS256", Quote(alg))
	}
	if !a.fits(public) {
		return nil, fmt.Errorf("alg %s does not fit the key", alg)
	}
	if err := (Key{material: public}).checkStrength(); err != nil {
		return nil, err
	}
	return &Signer{alg: a, keyID: keyID, key: key}, nil
}

// NewSecretSigner returns a Signer that uses an HMAC.
func NewSecretSigner(key []byte, alg string) (*Signer, error) {
	a := algorithms[alg]
	if a == nil || !a.fits(secret(key)) {
		return nil, fmt.Errorf("the secret is too short for %s, or the algorithm is not an HMAC (RFC 7518 §3.2)", Quote(alg))
	}
	return &Signer{alg: a, mac: secret(key)}, nil
}

func onlyAlg(public crypto.PublicKey) string {
	switch k := public.(type) {
	case *ecdsa.PublicKey:
		for _, name := range []string{"ES256", "ES384", "ES512"} {
			if algorithms[name].curve == k.Curve {
				return name
			}
		}
	case ed25519.PublicKey:
		return "EdDSA"
	case mlDSAKey:
		return k.alg()
	}
	return ""
}

// Alg returns the algorithm's name.
func (s *Signer) Alg() string { return s.alg.name }

// Sign returns a JWS in compact form. It adds alg and the Signer's kid to the given header.
func (s *Signer) Sign(header map[string]any, claims any) (string, error) {
	all := map[string]any{"alg": s.alg.name}
	if s.keyID != "" {
		all["kid"] = s.keyID
	}
	for name, value := range header {
		all[name] = value
	}
	h, err := json.Marshal(all)
	if err != nil {
		return "", fmt.Errorf("header: %w", err)
	}
	c, err := json.Marshal(claims)
	if err != nil {
		return "", fmt.Errorf("claims: %w", err)
	}
	signed := strictBase64.EncodeToString(h) + "." + strictBase64.EncodeToString(c)
	signature, err := s.signature(signed)
	if err != nil {
		return "", fmt.Errorf("cannot sign with the key: %w", err)
	}
	return signed + "." + strictBase64.EncodeToString(signature), nil
}

func (s *Signer) signature(signed string) ([]byte, error) {
	switch s.alg.family {
	case hmacSHA:
		mac := hmac.New(s.alg.hash.New, s.mac)
		mac.Write([]byte(signed))
		return mac.Sum(nil), nil
	case edwards:
		signature, err := s.key.Sign(rand.Reader, []byte(signed), crypto.Hash(0))
		return sized(signature, ed25519.SignatureSize, err)
	case lattice:
		return s.key.Sign(rand.Reader, []byte(signed), crypto.Hash(0))
	}
	digest := s.alg.hash.New()
	digest.Write([]byte(signed))
	signature, err := s.key.Sign(rand.Reader, digest.Sum(nil), s.options())
	if public, ok := s.key.Public().(*rsa.PublicKey); ok {
		return sized(signature, public.Size(), err)
	}
	if err != nil {
		return nil, err
	}
	return s.fixedSize(signature)
}

// sized returns an error if signature does not have the right size. A key in an HSM uses
// third-party code, so its result is checked.
func sized(signature []byte, size int, err error) ([]byte, error) {
	if err == nil && len(signature) != size {
		return nil, fmt.Errorf("the key returned a signature of %d bytes, expected %d", len(signature), size)
	}
	return signature, err
}

func (s *Signer) options() crypto.SignerOpts {
	if s.alg.family == rsaPSS {
		return &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash, Hash: s.alg.hash}
	}
	return s.alg.hash
}

// fixedSize converts the DER signature of crypto.Signer to R and S of the curve's size, RFC
// 7518 §3.4.
func (s *Signer) fixedSize(der []byte) ([]byte, error) {
	var sig struct{ R, S *big.Int }
	if rest, err := asn1.Unmarshal(der, &sig); err != nil || len(rest) > 0 {
		return nil, errors.New("the key returned an ECDSA signature that is not DER")
	}
	size := (s.alg.curve.Params().BitSize + 7) / 8
	if sig.R.Sign() <= 0 || sig.S.Sign() <= 0 || sig.R.BitLen() > 8*size || sig.S.BitLen() > 8*size {
		return nil, errors.New("the key returned an ECDSA signature that is out of range")
	}
	out := make([]byte, 2*size)
	sig.R.FillBytes(out[:size])
	sig.S.FillBytes(out[size:])
	return out, nil
}
