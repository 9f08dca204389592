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

// Error is the rejection of a request. The client may see every exported field except Err,
// which is for the log.
type Error struct {
	Status      int            // the HTTP status
	Code        string         // one of the constants; "" if the request had no token or the token could not be checked
	Description string         // for the client's developer; the only token data in it are the granted scopes
	Scope       string         // the required scopes, space-separated
	ACRValues   string         // the required authentication context classes, space-separated
	MaxAge      *time.Duration // the maximum age of the user's authentication; nil if the age is not the reason
	RetryAfter  time.Duration  // when the client may try again, for status 429 and 503; 0 means 5 seconds
	Err         error          // the cause, for the log; nil if Description is complete

	dpop  bool       // the request used the DPoP scheme or must use it
	nonce string     // for the client's next proof
	who   *Principal // the Principal of a verified token; nil if the token was not verified
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

// Unwrap returns Err.
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

// noToken is the rejection of a request without a token. Its cause is for the log only.
func (p *Protection) noToken(r *http.Request) *Error {
	return &Error{Status: http.StatusUnauthorized, Description: describeNone, Err: p.whyNoToken(r)}
}

func tooManyRequests(wait time.Duration) *Error {
	return &Error{Status: http.StatusTooManyRequests, Description: describeLimited, RetryAfter: wait}
}

func notAvailable(err error) *Error {
	return &Error{Status: http.StatusServiceUnavailable, Description: describeUnavailable, Err: err}
}

// refusal turns a verifier's error into the response: 503 if the verifier could not decide, 401
// if it rejected the token (RFC 6750 §3.1).
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

// own returns a copy for one request, because an application may return the same Error for
// many. A status that is not an error status is the application's mistake and becomes 500.
func (e *Error) own() *Error {
	out := *e
	if out.Status < 300 || out.Status > 599 {
		out.Status = http.StatusInternalServerError
	}
	return &out
}

// isUnavailable reports whether err says nothing about the token, for example because the
// server's keys could not be fetched.
func isUnavailable(err error) bool {
	var u *unavailable
	var d *discovery.Error
	var t interface{ Temporary() bool }
	return errors.As(err, &u) || errors.As(err, &d) || errors.As(err, &t) && t.Temporary()
}

// unavailable marks an error on the side of the API or the server. It says nothing about the
// token.
type unavailable struct{ err error }

func (u *unavailable) Error() string   { return u.err.Error() }
func (u *unavailable) Unwrap() error   { return u.err }
func (u *unavailable) Temporary() bool { return true }
