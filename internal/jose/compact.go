// Package jose parses and verifies every JWT that the module receives: ID tokens, access
// tokens, logout tokens, DPoP proofs and the rest. It accepts the compact form only, and
// rejects malformed input that JOSE libraries accept. It verifies signatures with the
// standard library, using keys that were parsed once.
//
// It is the only package that imports a JOSE library.
package jose

import (
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
)

// Sizes are checked before anything is decoded.
const (
	DefaultMaxSize = 16 << 10 // of a token, if the caller sets no other limit
	MaxSize        = 64 << 10 // of a token, the largest limit that a caller can set
	maxHeader      = 4 << 10
)

var (
	ErrNotCompact = errors.New("not a JWT in compact form (header.payload.signature)")
	ErrEncrypted  = errors.New("the token is encrypted (five parts), but no decryption key is configured: set DecryptionKeys")
	errUnsigned   = errors.New("the token is not signed")
	errAlphabet   = errors.New("not valid base64url")
)

// strictBase64 rejects padding and non-zero trailing bits, RFC 7515 §2. It would skip line
// breaks, so [split] rejects them.
var strictBase64 = base64.RawURLEncoding.Strict()

// Token is a JWS that was split and decoded. Parse does not verify its signature.
type Token struct {
	Header  Header
	Payload []byte

	signed    string // header and payload as received: the input of the signature
	signature []byte
	key       *Key      // the key that verified the signature
	embedded  *embedded // the key in the header, if it was decoded before
}

// Parse splits and decodes a JWS in compact form of at most max bytes (0 means
// [DefaultMaxSize]). It runs every check that needs neither a key nor the claims: RFC 7515
// §3.1, §4, §7.1 and RFC 8725 §3.
func Parse(raw string, max int) (*Token, error) {
	var parts [3]string
	if err := split(raw, max, parts[:]); err != nil {
		return nil, err
	}
	return parse(raw, parts)
}

// ParseLarge is [Parse] for other documents in JWS form, such as status lists. They may be
// larger than any token; max is the limit in bytes.
func ParseLarge(raw string, max int) (*Token, error) {
	var parts [3]string
	if len(raw) > max {
		return nil, fmt.Errorf("the document has %d bytes, expected at most %d", len(raw), max)
	}
	if err := cut(raw, parts[:]); err != nil {
		return nil, err
	}
	return parse(raw, parts)
}

func parse(raw string, parts [3]string) (*Token, error) {
	header, embedded, err := readHeader(parts[0])
	if err != nil {
		return nil, err
	}
	t := &Token{Header: header, embedded: embedded, signed: raw[:len(parts[0])+1+len(parts[1])]}
	if err := t.decode(parts[1], parts[2]); err != nil {
		return nil, err
	}
	if len(t.signature) == 0 { // RFC 8725 §3.2: an unsecured JWS is always rejected
		return nil, errUnsigned
	}
	return t, nil
}

// decode decodes payload and signature into a single allocation.
func (t *Token) decode(payload, signature string) error {
	buf := make([]byte, strictBase64.DecodedLen(len(payload))+strictBase64.DecodedLen(len(signature)))
	n, err := strictBase64.Decode(buf, []byte(payload))
	if err != nil {
		return fmt.Errorf("payload: %w", errAlphabet)
	}
	m, err := strictBase64.Decode(buf[n:], []byte(signature))
	if err != nil {
		return fmt.Errorf("signature: %w", errAlphabet)
	}
	t.Payload, t.signature = buf[:n:n], buf[n:n+m:n+m]
	return nil
}

// IsEncrypted reports whether raw has the five parts of a JWE in compact form.
func IsEncrypted(raw string) bool { return strings.Count(raw, ".") == 4 }

// split splits raw at its dots into exactly len(parts) parts.
func split(raw string, max int, parts []string) error {
	if err := checkSize(len(raw), max); err != nil {
		return err
	}
	return cut(raw, parts)
}

func cut(raw string, parts []string) error {
	if strings.Count(raw, ".") != len(parts)-1 {
		if IsEncrypted(raw) {
			return ErrEncrypted
		}
		return ErrNotCompact
	}
	if strings.IndexByte(raw, '\n') >= 0 || strings.IndexByte(raw, '\r') >= 0 {
		return errAlphabet // Go's decoder would skip them
	}
	for i := range parts {
		parts[i], raw, _ = strings.Cut(raw, ".")
	}
	return nil
}

func checkSize(size, max int) error {
	switch {
	case max <= 0:
		max = DefaultMaxSize
	case max > MaxSize:
		max = MaxSize
	}
	if size > max {
		return fmt.Errorf("the token has %d bytes, expected at most %d: increase MaxSize (at most %d)", size, max, MaxSize)
	}
	return nil
}

func decodeHeader(part string) (Header, error) {
	if len(part) > maxHeader*4/3+4 {
		return Header{}, fmt.Errorf("the header has %d characters, expected at most %d", len(part), maxHeader*4/3+4)
	}
	raw, err := decodePart("header", part)
	if err != nil {
		return Header{}, err
	}
	return parseHeader(raw)
}

// decodePart decodes one part. It drops the decoder's error, which would quote the input.
func decodePart(name, part string) ([]byte, error) {
	b, err := strictBase64.DecodeString(part)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, errAlphabet)
	}
	return b, nil
}

// DecodeBase64 decodes base64url as JOSE defines it: no padding, no line breaks, no non-zero
// trailing bits (RFC 7515 §2).
func DecodeBase64(s string) ([]byte, error) {
	for i := range len(s) {
		if s[i] == '\n' || s[i] == '\r' {
			return nil, errAlphabet // Go's decoder would skip them
		}
	}
	return decodePart("value", s)
}

// Key returns the key that verified t's signature. It is nil if no key set of this package
// verified it.
func (t *Token) Key() *Key { return t.key }
