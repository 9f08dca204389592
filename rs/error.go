package rs

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/countersign/countersign/discovery"
)

// The error codes of RFC 6750 §3.1, RFC 9470 §3 and RFC 9449 §7.1, §9.
const (
	InvalidRequest                 = "invalid_request"
	InvalidToken                   = "invalid_token"
	InsufficientScope              = "insufficient_scope"
	InsufficientUserAuthentication = "insufficient_user_authentication"
	InvalidDPoPProof               = "invalid_dpop_proof"
	UseDPoPNonce                   = "use_dpop_nonce"
)

// Error is a request that is rejected. The client may see all of it except Err, which is
// for the log.
type Error struct {
	Status      int
	Code        string         // one of the constants; "" if the request had no token, or the token could not be checked
	Description string         // for the client's developer; of the token it has at most the granted scopes
	Scope       string         // the required scopes, space-separated
	ACRValues   string         // the required authentication context classes, space-separated
	MaxAge      *time.Duration // the required age of the user's authentication; nil if that is not the reason
	RetryAfter  time.Duration  // when to try again, for status 429 and 503; 0 means 5 seconds
	Err         error          // the reason; nil if Description has it

	dpop  bool       // the request used the DPoP scheme, or must
	nonce string     // for the next proof
	who   *Principal // of a token that was verified; nil if it was not
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

const (
	describeUnavailable = "the access token cannot be checked now"
	describeInvalid     = "the access token is not valid here"
	describeNone        = "an access token is required"
	describeLimited     = "too many requests"
)

func invalidRequest(description string) *Error {
	return &Error{Status: http.StatusBadRequest, Code: InvalidRequest, Description: description}
}

func invalidToken(err error) *Error {
	return &Error{Status: http.StatusUnauthorized, Code: InvalidToken, Description: describeInvalid, Err: err}
}

func noToken() *Error {
	return &Error{Status: http.StatusUnauthorized, Description: describeNone}
}

func tooManyRequests(wait time.Duration) *Error {
	return &Error{Status: http.StatusTooManyRequests, Description: describeLimited, RetryAfter: wait}
}

func notAvailable(err error) *Error {
	return &Error{Status: http.StatusServiceUnavailable, Description: describeUnavailable, Err: err}
}

// refusal turns a verifier's error into the answer: 503 when the verifier could
// not tell, 401 when it could (RFC 6750 §3.1).
func refusal(err error) *Error {
	var e *Error
	if errors.As(err, &e) {
		return e.own()
	}
	if isUnavailable(err) {
		return notAvailable(err)
	}
	return invalidToken(err)
}

// own is a copy, for one request: an application may give the same Error to many. One
// whose status is that of no refusal is a mistake of its.
func (e *Error) own() *Error {
	out := *e
	if out.Status < 300 || out.Status > 599 {
		out.Status = http.StatusInternalServerError
	}
	return &out
}

// isUnavailable tells whether err says nothing about the token, because the server's keys
// or its answer could not be fetched.
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
