package endpoint

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// Error is a call that failed: what the server said, and what only the log
// gets to see.
type Error struct {
	URL         string        // scheme, host and path of the endpoint; never its query
	Status      int           // HTTP status, 0 when there was no answer
	Code        string        // error of RFC 6749 §5.2, "" when the server sent none
	Description string        // error_description, cleaned and capped
	URI         string        // error_uri, only ever to be shown, not followed
	RetryAfter  time.Duration // of 429 and 503, 0 when the server sent none
	Err         error         // what happened, when it was not the server that said it
}

func (e *Error) Error() string {
	var b strings.Builder
	b.WriteString(e.URL)
	if e.Status != 0 {
		fmt.Fprintf(&b, ": status %d", e.Status)
	}
	if e.Code != "" {
		fmt.Fprintf(&b, ": %s", e.Code)
	}
	if e.Description != "" {
		fmt.Fprintf(&b, " (%q)", e.Description)
	}
	if e.Err != nil {
		fmt.Fprintf(&b, ": %v", e.Err)
	}
	return strings.TrimPrefix(b.String(), ": ")
}

// Unwrap gives the cause.
func (e *Error) Unwrap() error { return e.Err }

// Temporary tells whether the same call may succeed later: the server could not
// be reached, was too slow, or said 429 or 5xx.
func (e *Error) Temporary() bool {
	if e.Status == 0 {
		var t *transport
		return errors.As(e.Err, &t)
	}
	return e.Status == http.StatusTooManyRequests || e.Status >= 500
}

// transport marks what went wrong below HTTP.
type transport struct{ err error }

func (t *transport) Error() string { return t.err.Error() }
func (t *transport) Unwrap() error { return t.err }

// transportError drops net/http's own wrapping, which quotes the URL with its query.
func transportError(ctx context.Context, u *url.URL, err error) error {
	var ue *url.Error
	if errors.As(err, &ue) {
		err = ue.Err
	}
	if ctx.Err() != nil {
		err = fmt.Errorf("no complete answer in time: %w", ctx.Err())
	}
	return &Error{URL: location(u), Err: &transport{err}}
}

func location(u *url.URL) string {
	return (&url.URL{Scheme: u.Scheme, Host: u.Host, Path: u.Path}).String()
}

// retryAfter reads Retry-After, RFC 9110 §10.2.3: seconds or a date.
func retryAfter(h http.Header) time.Duration {
	v := h.Get("Retry-After")
	if s, err := strconv.Atoi(v); err == nil && s > 0 && s < 1<<20 {
		return time.Duration(s) * time.Second
	}
	if at, err := http.ParseTime(v); err == nil {
		return max(time.Until(at), 0)
	}
	return 0
}
