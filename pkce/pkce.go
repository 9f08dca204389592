// Package pkce creates and checks the values of Proof Key for Code Exchange, RFC 7636.
//
// Use S256, the default. With Plain, anyone who sees the authorization request can use the
// code. Plain exists for deployed servers that do not support S256, and is never selected
// automatically.
package pkce

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"
)

// Method is how a challenge is derived from a verifier, RFC 7636 §4.2.
type Method int

// The methods. The zero value is S256.
const (
	S256          Method = iota // code_challenge_method=S256
	Plain                       // code_challenge_method=plain
	PlainImplicit               // plain, without the parameter code_challenge_method (RFC 7636 §4.3)
)

// String returns the value of code_challenge_method, or "" if the parameter is omitted.
func (m Method) String() string {
	switch m {
	case S256:
		return "S256"
	case Plain:
		return "plain"
	}
	return ""
}

// Valid reports whether m is one of the methods above.
func (m Method) Valid() bool { return m >= S256 && m <= PlainImplicit }

// Verifier is a code_verifier, RFC 7636 §4.1. It is secret until the code is exchanged. It
// redacts itself in fmt and log/slog. Encoders such as encoding/json return an error: string(v)
// returns the value to store.
type Verifier string

const (
	entropy = 32 // bytes
	minLen  = 43
	maxLen  = 128
)

// New returns a verifier with 256 random bits. Use a new one for every request (RFC 7636
// §7.1). If the system has no randomness, the program ends: crypto/rand never returns an
// error.
func New() Verifier {
	b := make([]byte, entropy)
	rand.Read(b)
	return Verifier(base64.RawURLEncoding.EncodeToString(b))
}

// Parse checks a verifier from another source, such as the app that a mobile backend serves. It
// must have 43 to 128 characters of RFC 3986's unreserved set (RFC 7636 §4.1). It returns an error
// for anything else. The error does not contain s.
func Parse(s string) (Verifier, error) {
	if len(s) < minLen || len(s) > maxLen {
		return "", fmt.Errorf("pkce: the code_verifier has %d characters, expected %d to %d", len(s), minLen, maxLen)
	}
	if strings.IndexFunc(s, reserved) >= 0 {
		return "", errors.New("pkce: the code_verifier contains a character that is not a letter, a digit or one of -._~")
	}
	return Verifier(s), nil
}

func reserved(r rune) bool {
	switch {
	case 'a' <= r && r <= 'z', 'A' <= r && r <= 'Z', '0' <= r && r <= '9':
		return false
	}
	return !strings.ContainsRune("-._~", r)
}

// Challenge returns the code_challenge, RFC 7636 §4.2. For a method that is not one of the
// above it returns the challenge for S256.
func (v Verifier) Challenge(m Method) string {
	if m == Plain || m == PlainImplicit {
		return string(v)
	}
	sum := sha256.Sum256([]byte(v))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

const redacted = "[code_verifier]"

// Format implements fmt.Formatter: every verb prints a placeholder.
func (v Verifier) Format(f fmt.State, _ rune) { io.WriteString(f, redacted) }

// LogValue implements slog.LogValuer.
func (v Verifier) LogValue() slog.Value { return slog.StringValue(redacted) }

var errEncode = errors.New("pkce: a Verifier is not encoded as text: encode string(v), and decode it with Parse")

// MarshalText returns an error that names string(v). Encoders of JSON, YAML and XML call it.
func (v Verifier) MarshalText() ([]byte, error) { return nil, errEncode }
