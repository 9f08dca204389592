package endpoint

import (
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/countersign/countersign/internal/jose"
)

const (
	maxDescription = 500
	minSecret      = 8 // characters; redacting anything shorter would remove ordinary words
)

// Failure returns the typed error of a response that is not the expected one. It contains the
// error members of RFC 6749 §5.2 if the body has them. Otherwise it contains cause, and what the
// server says in its own format.
func (r *Response) Failure(cause string) *Error {
	e := &Error{URL: r.URL, Status: r.Status, RetryAfter: retryAfter(r.Header)}
	var body struct {
		Error       string `json:"error"`
		Description string `json:"error_description"`
		URI         string `json:"error_uri"`
	}
	if r.IsJSON() && jose.Decode(r.Body, &body, jose.DocumentLimits) == nil && body.Error != "" {
		code := r.Redact(body.Error)
		e.Code, e.Description, e.URI = CleanCode(code), Clean(r.Redact(body.Description)), Clean(r.Redact(body.URI))
		e.Err = OddCode(code)
		return e
	}
	e.Err = errors.New(cause)
	if text := r.foreign(); text != "" {
		e.Err = fmt.Errorf("%s: the server says %q", cause, text)
	}
	return e
}

// Refuse returns the error of a response that cannot be used.
func (r *Response) Refuse(err error) *Error { return &Error{URL: r.URL, Status: r.Status, Err: err} }

// RedactFor removes the token of r from a text of a response to r. r may be nil.
func RedactFor(r *http.Request, s string) string {
	if r == nil {
		return s
	}
	return redact(s, secretsOf(r, nil))
}

func redact(s string, secrets []string) string {
	for _, secret := range secrets {
		if len(secret) >= minSecret {
			s = strings.ReplaceAll(s, secret, "[redacted]")
		}
	}
	return s
}

// CleanCode returns a valid error code or "invalid_error_code". RFC 6749 §5.2 allows more
// characters, but a code is shown on pages.
func CleanCode(s string) string {
	if s == "" || len(s) > 64 || strings.IndexFunc(s, notCode) >= 0 {
		return "invalid_error_code"
	}
	return s
}

// OddCode returns the error to log for a code that CleanCode replaces, and nil for other codes.
func OddCode(s string) error {
	if CleanCode(s) == s {
		return nil
	}
	return fmt.Errorf("the server's error code is %s", jose.Quote(s))
}

func notCode(r rune) bool {
	switch {
	case 'a' <= r && r <= 'z', 'A' <= r && r <= 'Z', '0' <= r && r <= '9':
		return false
	}
	return !strings.ContainsRune("_.:/-", r)
}

// Clean makes a text of a server or visitor safe for logs: printable ASCII without quotes and
// backslashes (RFC 6749 §5.2), with a maximum length. Pages must still escape it.
func Clean(s string) string {
	if len(s) > maxDescription {
		s = s[:maxDescription]
	}
	return strings.Map(func(r rune) rune {
		if r < 0x20 || r > 0x7e || r == '"' || r == '\\' {
			return '?'
		}
		return r
	}, s)
}
