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

// ErrNoEndpoint is the cause of an [*Error] if the server has no registration endpoint.
var ErrNoEndpoint = errors.New("the server's metadata has no registration_endpoint: register the client by hand")

// Error says that a registration failed, or that it could not be read, changed or deleted. Code
// and Description come from the server, cleaned and limited in length. They are empty if the
// server's response was malformed.
type Error struct {
	Code, Description string        // members error and error_description, RFC 7591 §3.2.2
	Status            int           // HTTP status, 0 without a response
	RetryAfter        time.Duration // from the response, 0 if not set
	Err               error         // for the log
}

func (e *Error) Error() string { return "registration: " + e.Err.Error() }

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// Temporary reports whether the same call may succeed later.
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
