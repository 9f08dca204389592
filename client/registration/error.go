package registration

import (
	"errors"
	"time"

	"github.com/countersign/countersign/internal/endpoint"
)

// The values of Error.Code, RFC 7591 §3.2.2.
const (
	InvalidRedirectURI          = "invalid_redirect_uri"
	InvalidClientMetadata       = "invalid_client_metadata"
	InvalidSoftwareStatement    = "invalid_software_statement"
	UnapprovedSoftwareStatement = "unapproved_software_statement"
)

// ErrNoEndpoint is the cause of an [*Error] where the server registers no clients.
var ErrNoEndpoint = errors.New("the server has no registration endpoint")

// Error is a registration that failed, or could not be read, changed or deleted. Code and
// Description are the server's, cleaned and capped; they are empty when the server did not
// answer as it should.
type Error struct {
	Code, Description string
	Status            int           // HTTP status, 0 when there was no answer
	RetryAfter        time.Duration // what the server asked for, 0 when it did not
	Err               error         // for the log
}

func (e *Error) Error() string { return "registration: " + e.Err.Error() }

// Unwrap gives the cause.
func (e *Error) Unwrap() error { return e.Err }

// Temporary tells whether the same call may succeed later.
func (e *Error) Temporary() bool {
	var t interface{ Temporary() bool }
	return errors.As(e.Err, &t) && t.Temporary()
}

func wrap(err error) *Error {
	out := &Error{Err: err}
	var e *endpoint.Error
	if errors.As(err, &e) {
		out.Code, out.Description = e.Code, e.Description
		out.Status, out.RetryAfter = e.Status, e.RetryAfter
	}
	return out
}
