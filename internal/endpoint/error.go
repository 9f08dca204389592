package endpoint

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// Error is a call that failed: what the server said, and what only the log
// gets to see.
type Error struct {
	URL         string        // scheme, host and path of the endpoint, never its query
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

// transport marks what went wrong below HTTP. Its text is the module's own: that of
// the libraries may quote, at any length, what the server sent.
type transport struct {
	err  error
	text string
}

func (t *transport) Error() string { return t.text }
func (t *transport) Unwrap() error { return t.err }

func transportError(ctx context.Context, u *url.URL, err error) error {
	var ue *url.Error
	if errors.As(err, &ue) {
		err = ue.Err
	}
	text := describe(err)
	if ctx.Err() != nil {
		err, text = ctx.Err(), "no complete answer in time"
	}
	return &Error{URL: location(u), Err: &transport{err, text}}
}

// describe says what kind of failure err is.
func describe(err error) string {
	var dns *net.DNSError
	var op *net.OpError
	var cert *tls.CertificateVerificationError
	var refused *addressError
	switch {
	case errors.As(err, &refused):
		return refused.Error()
	case errors.As(err, &dns):
		return "the host is not found"
	case errors.As(err, &cert):
		return "the server's certificate is not trusted: " + Clean(cert.Err.Error())
	case errors.As(err, &op):
		return "the connection failed (" + op.Op + "): " + Clean(op.Err.Error())
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return "the server hung up before the end of its answer"
	}
	return "the server's answer is not HTTP, or the connection broke"
}

// location is the URL for a log: scheme, host and path, in ASCII and not endless.
func location(u *url.URL) string {
	return Clean((&url.URL{Scheme: u.Scheme, Host: u.Host, Path: u.Path}).String())
}

// retryAfter reads Retry-After, RFC 9110 §10.2.3: seconds or a date.
func retryAfter(h http.Header) time.Duration {
	v := h.Get("Retry-After")
	if s, err := strconv.Atoi(v); err == nil && s > 0 {
		return time.Duration(min(s, 1<<20)) * time.Second
	}
	if at, err := http.ParseTime(v); err == nil {
		return min(max(time.Until(at), 0), 1<<20*time.Second)
	}
	return 0
}
