package tokenview

import (
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/countersign/countersign/idtoken"
	"github.com/countersign/countersign/internal/jose"
)

// EncryptedError says that a token is encrypted and that no key was given for it.
type EncryptedError struct {
	envelope
}

// envelope is the part of an encrypted token that can be read without a key.
type envelope struct {
	header     map[string]any
	headerJSON []byte
}

func (e envelope) text(name string) string { s, _ := e.header[name].(string); return printable(s) }

// recipient names the key that the token is encrypted to.
func (e envelope) recipient() string {
	key := "a key that it does not name (no kid)"
	if kid := e.text("kid"); kid != "" {
		key = fmt.Sprintf("the key with kid %q", kid)
	}
	return fmt.Sprintf("to %s, with alg %q and enc %q", key, e.text("alg"), e.text("enc"))
}

// Error names the key that is needed.
func (e *EncryptedError) Error() string {
	return "the token is encrypted (JWE) " + e.recipient() + ": pass the recipient's private key with -key FILE or -key-env NAME"
}

// Show writes the header: the only part that can be read.
func (e *EncryptedError) Show(w io.Writer, o Options) {
	p := painter{o.Color}
	fmt.Fprintf(w, "%s\n\n%s\n%s\n\n", p.bold("encrypted token (JWE)"), p.bold("Header"), p.json(e.headerJSON))
}

// open decrypts a JWE.
func open(raw string, keys []idtoken.DecryptionKey) (inner string, e envelope, err error) {
	header, _, _ := strings.Cut(raw, ".")
	if e.header, e.headerJSON, err = object(header); err != nil {
		return "", e, fmt.Errorf("the header of the encrypted token (JWE) %w", err)
	}
	if len(keys) == 0 {
		return "", e, &EncryptedError{e}
	}
	inner, _, err = jose.OpenNested(raw, maxSize, jose.DecryptionAlgsWith(true), keys)
	switch {
	case errors.Is(err, jose.ErrDecrypt):
		return "", e, fmt.Errorf("-key cannot decrypt the token: it is encrypted %s, and -key has %s", e.recipient(), kids(keys))
	case err != nil:
		return "", e, fmt.Errorf("cannot decrypt the token (JWE): %s", printable(err.Error()))
	case strings.Count(inner, ".") != 2:
		return "", e, errors.New("the decrypted content is not a signed JWT: an ID token or access token must be signed first and then encrypted")
	}
	return inner, e, nil
}

func kids(keys []idtoken.DecryptionKey) string {
	var all []string
	for _, k := range keys {
		if k.KeyID != "" {
			all = append(all, fmt.Sprintf("%q", printable(k.KeyID)))
		}
	}
	if all == nil {
		return "a key without kid"
	}
	return "kid " + strings.Join(all, ", ")
}

// sha1 reports that the token is encrypted with an algorithm that is not accepted by default.
func (e envelope) sha1() bool { return e.text("alg") == "RSA-OAEP" }

// encrypted is the row of RFC 9068 about encryption. With a key, a token that is not encrypted is
// rejected.
func (t *Token) encrypted() (Result, string) {
	switch {
	case t.envelope.sha1():
		return Valid, "alg is RSA-OAEP (SHA-1): the API must set InsecureRSAOAEP, or the server must use RSA-OAEP-256"
	case t.envelope.header != nil:
		return Valid, "decrypted with -key"
	case len(t.keys) > 0:
		return Failed, "the token is not encrypted, but -key was given: configure the server to encrypt, or leave -key out"
	}
	return NotApplicable, "the token is not encrypted; rs.JWT rejects it if DecryptionKeys are set"
}
