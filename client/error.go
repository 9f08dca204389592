package client

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/countersign/countersign/internal/endpoint"
	"github.com/countersign/countersign/internal/jose"
	"github.com/countersign/countersign/par"
)

// Step is a step of a login, or of an operation after the login.
type Step string

// The steps, in the order of a login.
const (
	StepDiscovery  Step = "discovery"
	StepRequest    Step = "authorization request"
	StepPush       Step = "pushed authorization request"
	StepCallback   Step = "callback"
	StepToken      Step = "token request"
	StepIDToken    Step = "id token"
	StepUserInfo   Step = "userinfo"
	StepIntrospect Step = "introspection"
	StepRevoke     Step = "revocation"
	StepLogout     Step = "logout"
)

// Error says at which step an operation failed. Every error of a step of a login is an Error.
// Its text is for the log. Show only Code to a browser.
type Error struct {
	Step Step   // which step failed, one of the constants
	Code string // the server's error code (RFC 6749 §4.1.2.1, §5.2), else "temporarily_unavailable" or "login_failed"
	Err  error  // the reason, for the log. It contains no secret, code or token

	refreshToken func() string // see RefreshToken; a func, so that printing an Error does not print the token
}

func (e *Error) Error() string {
	step := string(e.Step) + ": "
	return "client: " + step + strings.TrimPrefix(e.Err.Error(), step) // some causes name the step too
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// Temporary reports whether the same step may succeed later.
func (e *Error) Temporary() bool {
	var t interface{ Temporary() bool }
	return e.Code == unavailable || errors.As(e.Err, &t) && t.Temporary()
}

const unavailable = "temporarily_unavailable" // RFC 6749 §4.1.2.1

// configurationError is an error that remains until the operator changes the configuration, here or
// at the server.
type configurationError struct{ error }

// Configuration returns true. Package login calls it.
func (configurationError) Configuration() bool { return true }

// CallbackError is the error that the server sent through the browser instead of a code: RFC 6749
// §4.1.2.1, OpenID Connect Core §3.1.2.6. Every website can forge such a callback. The texts are
// cleaned and limited in length. They must still be escaped when shown. Do not follow URI.
type CallbackError struct {
	Code, Description, URI string // members error, error_description and error_uri; each but error may be ""

	odd error // quotes the server's code if Code replaces it
}

func (e *CallbackError) Error() string {
	text := fmt.Sprintf("the server responded with the error %s (%q)%s", e.Code, e.Description, remedy(e.Code, false))
	if e.odd != nil {
		text += ": " + e.odd.Error()
	}
	return text
}

// SubjectError reports that the user who signed in is not Request.Subject. Do not give that user
// the earlier session.
type SubjectError struct {
	Expected string // Request.Subject
	Subject  string // sub of the ID token
}

func (e *SubjectError) Error() string {
	return fmt.Sprintf("sub is %s, expected %s: another user signed in", jose.Quote(e.Subject), jose.Quote(e.Expected))
}

// TokenError is a failed request to the token, introspection or revocation endpoint. Code,
// Description and URI come from the server (RFC 6749 §5.2), cleaned and limited in length. They
// are empty if the server's response was malformed.
type TokenError struct {
	Code, Description, URI string        // members error, error_description and error_uri
	Status                 int           // HTTP status, 0 if there was no response
	RetryAfter             time.Duration // the pause that the server requested, or 0
	Err                    error         // for the log
}

func (e *TokenError) Error() string { return e.Err.Error() }

// Unwrap returns the cause.
func (e *TokenError) Unwrap() error { return e.Err }

func tokenError(err error) *TokenError {
	out := &TokenError{Err: err}
	var e *endpoint.Error
	if errors.As(err, &e) {
		out.Code, out.Description, out.URI = e.Code, e.Description, e.URI
		out.Status, out.RetryAfter = e.Status, e.RetryAfter
	}
	return out
}

// NewError returns the [*Error] of a step. Its code is the server's code in err, unchanged. Without
// one it is "temporarily_unavailable" if err has a method Temporary() bool that returns
// true, and "login_failed" if not.
func NewError(step Step, err error) *Error { return fail(step, err) }

func fail(step Step, err error) *Error {
	e := &Error{Step: step, Err: err, Code: "login_failed"}
	var callback *CallbackError
	var token *TokenError
	var push *par.Error
	var answer *endpoint.Error // of the UserInfo endpoint
	switch {
	case errors.As(err, &callback):
		e.Code = callback.Code
	case errors.As(err, &token) && token.Code != "":
		e.Code = token.Code
	case errors.As(err, &push) && push.Code != "":
		e.Code = push.Code
	case step == StepUserInfo && errors.As(err, &answer) && answer.Code != "":
		e.Code = answer.Code
	case e.Temporary():
		e.Code = unavailable
	}
	return e
}
