package auth

import (
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
)

// PublishCertificates serves these certificates as keys with x5c. They replace the certificates of
// an earlier call. With SelfSignedTLS the server recognizes the client's certificates by these keys
// (RFC 8705 §2.2.2). Their key IDs are their SHA-256 thumbprints. During rotation, publish the new
// certificate for MaxAge before connections present it. It returns an error for more than 16
// certificates, for an empty certificate, and for a key of an unknown type.
func (r *KeyRing) PublishCertificates(certificates ...*x509.Certificate) error {
	if len(certificates) > maxRing {
		return fmt.Errorf("auth: KeyRing: received %d certificates, expected at most %d", len(certificates), maxRing)
	}
	var all []json.RawMessage
	for _, certificate := range certificates {
		if certificate == nil || len(certificate.Raw) == 0 {
			return errors.New("auth: KeyRing: a certificate is empty; parse it with x509.ParseCertificate")
		}
		thumbprint := sha256.Sum256(certificate.Raw)
		name := base64.RawURLEncoding.EncodeToString(thumbprint[:])
		public, _, err := publicJWK(certificate.PublicKey, map[string]any{
			"kid": name, "use": "sig", "x5t#S256": name, "x5c": []string{base64.StdEncoding.EncodeToString(certificate.Raw)},
		})
		if err != nil {
			return fmt.Errorf("auth: KeyRing: certificate: %w", err)
		}
		all = append(all, public)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.certified = all
	return nil
}
