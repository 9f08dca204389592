// Package pkce makes and checks Proof Key for Code Exchange values, RFC 7636.
//
// S256 is what to use. Plain protects nothing once the authorization request is
// seen, and exists because some deployed servers know no better; it is never
// chosen for you.
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

// Method says how a challenge is made from a verifier, RFC 7636 §4.2.
type Method int

// The methods. The zero value is the one to use.
const (
	S256          Method = iota // code_challenge_method=S256
	Plain                       // code_challenge_method=plain
	PlainImplicit               // plain, with code_challenge_method left out (RFC 7636 §4.3)
)

// String gives the value of code_challenge_method, "" where it is left out.
func (m Method) String() string {
	switch m {
	case S256:
		return "S256"
	case Plain:
		return "plain"
	}
	return ""
}

// Valid tells whether m is one of the methods above.
func (m Method) Valid() bool { return m >= S256 && m <= PlainImplicit }

// Verifier is a code_verifier, RFC 7636 §4.1: a secret until the code is
// exchanged. It redacts itself in fmt, log/slog and encoding; string(v) gives
// the value.
type Verifier string

const (
	entropy = 32 // bytes
	minLen  = 43
	maxLen  = 128
)

// New makes a verifier of 256 random bits, new for every request (RFC 7636 §7.1).
// If the system has no randomness the program ends: crypto/rand never fails otherwise.
func New() Verifier {
	b := make([]byte, entropy)
	rand.Read(b)
	return Verifier(base64.RawURLEncoding.EncodeToString(b))
}

// Parse takes a verifier from elsewhere, such as the app that a mobile backend
// serves: 43 to 128 characters of RFC 3986's unreserved set (RFC 7636 §4.1).
func Parse(s string) (Verifier, error) {
	if len(s) < minLen || len(s) > maxLen {
		return "", fmt.Errorf("pkce: a code_verifier has %d to %d characters, not %d", minLen, maxLen, len(s))
	}
	if strings.IndexFunc(s, reserved) >= 0 {
		return "", errors.New("pkce: a code_verifier has letters, digits and -._~ only")
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

// Challenge gives the code_challenge, RFC 7636 §4.2. A method that is none of the
// above gives that of S256.
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

// MarshalText implements encoding.TextMarshaler with the placeholder: a verifier
// is stored on purpose (as string(v)) or not at all.
func (v Verifier) MarshalText() ([]byte, error) { return []byte(redacted), nil }
