package endpoint

import (
	"errors"
	"strings"

	"github.com/countersign/countersign/internal/jose"
)

const maxDescription = 200

// Failure makes the typed error of an answer that is not the wanted one. It
// takes over the error members of RFC 6749 §5.2 if the body has them.
func (r *Response) Failure(u string, cause string) *Error {
	e := &Error{URL: u, Status: r.Status, RetryAfter: retryAfter(r.Header)}
	var body struct {
		Error       string `json:"error"`
		Description string `json:"error_description"`
		URI         string `json:"error_uri"`
	}
	if r.IsJSON() && jose.Decode(r.Body, &body, jose.DocumentLimits) == nil && body.Error != "" {
		e.Code, e.Description, e.URI = CleanCode(body.Error), Clean(body.Description), Clean(body.URI)
		return e
	}
	e.Err = errors.New(cause)
	return e
}

// CleanCode keeps an error code that has the alphabet of RFC 6749 §5.2; any
// other text is no code.
func CleanCode(s string) string {
	if s == "" || len(s) > 64 || strings.IndexFunc(s, notCode) >= 0 {
		return "invalid_error_code"
	}
	return s
}

func notCode(r rune) bool { return r < 0x20 || r > 0x7e || r == '"' || r == '\\' }

// Clean makes a server's or a visitor's text fit to be shown: printable ASCII,
// capped. It still has to be escaped for where it is shown.
func Clean(s string) string {
	if len(s) > maxDescription {
		s = s[:maxDescription]
	}
	return strings.Map(func(r rune) rune {
		if notCode(r) {
			return '?'
		}
		return r
	}, s)
}
