package rs

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/countersign/countersign/discovery"
)

// The error codes of RFC 6750 §3.1.
const (
	InvalidRequest    = "invalid_request"
	InvalidToken      = "invalid_token"
	InsufficientScope = "insufficient_scope"
)

// Error is a request that is not let through. Status, Code, Description and Scope
// go to the caller; Err is for the log alone.
type Error struct {
	Status      int
	Code        string // of RFC 6750 §3.1; "" when the request had no token, or the server cannot be asked
	Description string // constant text of this package, nothing of the request
	Scope       string // what insufficient_scope asks for, space-separated
	Err         error  // why; nil when Description says it all
}

func (e *Error) Error() string {
	parts := []string{fmt.Sprintf("rs: %d", e.Status)}
	for _, s := range []string{e.Code, e.Description} {
		if s != "" {
			parts = append(parts, s)
		}
	}
	if e.Err != nil {
		parts = append(parts, e.Err.Error())
	}
	return strings.Join(parts, ": ")
}

// Unwrap gives the cause.
func (e *Error) Unwrap() error { return e.Err }

func invalidRequest(description string) *Error {
	return &Error{Status: http.StatusBadRequest, Code: InvalidRequest, Description: description}
}

// refusal turns a verifier's error into the answer: 503 when the verifier could
// not tell, 401 when it could (RFC 6750 §3.1).
func refusal(err error) *Error {
	var e *Error
	if errors.As(err, &e) {
		return e
	}
	if isUnavailable(err) {
		return &Error{Status: http.StatusServiceUnavailable, Description: "the token cannot be checked now", Err: err}
	}
	return &Error{Status: http.StatusUnauthorized, Code: InvalidToken, Description: "the access token is not valid here", Err: err}
}

// isUnavailable tells whether err says nothing about the token: the server's
// keys or its answer could not be had.
func isUnavailable(err error) bool {
	var u *unavailable
	var d *discovery.Error
	var t interface{ Temporary() bool }
	return errors.As(err, &u) || errors.As(err, &d) || errors.As(err, &t) && t.Temporary()
}

// unavailable marks an error of our side: nothing is known about the token.
type unavailable struct{ err error }

func (u *unavailable) Error() string { return u.err.Error() }
func (u *unavailable) Unwrap() error { return u.err }

// challenge is the value of WWW-Authenticate, RFC 6750 §3. Its parts are constants
// and configuration; quote makes sure that they stay within their quotes.
func (e *Error) challenge(realm string) string {
	var params []string
	add := func(name, value string) {
		if value != "" {
			params = append(params, name+`="`+quote(value)+`"`)
		}
	}
	add("realm", realm)
	add("error", e.Code)
	if e.Code != "" {
		add("error_description", e.Description)
	}
	add("scope", e.Scope)
	if len(params) == 0 {
		return "Bearer"
	}
	return "Bearer " + strings.Join(params, ", ")
}

// quote drops what RFC 6750 §3 does not allow in a value.
func quote(s string) string {
	return strings.Map(func(r rune) rune {
		if r < 0x20 || r > 0x7e || r == '"' || r == '\\' {
			return -1
		}
		return r
	}, s)
}

// write answers the request.
func (e *Error) write(w http.ResponseWriter, realm string) {
	h := w.Header()
	if e.Status == http.StatusServiceUnavailable {
		h.Set("Retry-After", "5")
	} else {
		h.Set("WWW-Authenticate", e.challenge(realm))
	}
	h.Set("Cache-Control", "no-store")
	h.Set("Content-Type", "application/json")
	h.Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(e.Status)
	body := map[string]string{}
	for name, value := range map[string]string{"error": e.Code, "error_description": e.Description, "scope": e.Scope} {
		if value != "" {
			body[name] = value
		}
	}
	json.NewEncoder(w).Encode(body)
}
