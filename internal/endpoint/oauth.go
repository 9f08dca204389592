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
	minSecret      = 8 // characters; anything shorter would blank out words
)

// Failure makes the typed error of an answer that is not the wanted one. It
// takes over the error members of RFC 6749 §5.2 if the body has them.
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
	return e
}

// Refuse makes the error of an answer that came and cannot be used.
func (r *Response) Refuse(err error) *Error { return &Error{URL: r.URL, Status: r.Status, Err: err} }

// Redact takes out what the server repeats of the request's secrets.
func (r *Response) Redact(s string) string { return redact(s, r.secrets) }

// RedactFor takes out what an answer to r repeats of its token. r may be nil.
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

// CleanCode keeps an error code as servers and registries write them. RFC 6749 §5.2
// allows more, but a code ends up on pages; any other text is no code.
func CleanCode(s string) string {
	if s == "" || len(s) > 64 || strings.IndexFunc(s, notCode) >= 0 {
		return "invalid_error_code"
	}
	return s
}

// OddCode is what the log gets about an error code that CleanCode replaces, nil for others.
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

// Clean makes a server's or a visitor's text fit to be logged: printable ASCII without
// quotes and backslashes (RFC 6749 §5.2), capped. It still has to be escaped for where
// it is shown.
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
