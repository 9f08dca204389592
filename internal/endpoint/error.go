package endpoint

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// Error is a failed call: the server's error and what only the log may contain.
type Error struct {
	URL         string        // scheme, host and path of the endpoint, without its query
	Status      int           // HTTP status; 0 without a response
	Code        string        // error of RFC 6749 §5.2; "" if the server sent none
	Description string        // error_description, cleaned and shortened
	URI         string        // error_uri; show it, but do not fetch it
	RetryAfter  time.Duration // from status 429 and 503; 0 if the server sent none
	Err         error         // the cause, if the server did not send an error
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

// Unwrap returns Err.
func (e *Error) Unwrap() error { return e.Err }

// Temporary reports whether the same call may succeed later: the server could not be reached,
// was too slow, or responded with 429 or 5xx.
func (e *Error) Temporary() bool {
	if e.Status == 0 {
		var t *transport
		return errors.As(e.Err, &t)
	}
	return e.Status == http.StatusTooManyRequests || e.Status >= 500
}

// transport marks a failure below HTTP. Its text is written by this module, because texts of
// the libraries may quote what the server sent at any length.
type transport struct {
	err  error
	text string
}

func (t *transport) Error() string { return t.text }

// Configuration reports whether the next try fails too, until the operator of a server or of the
// application changes something.
func (t *transport) Configuration() bool { return isCertificate(t.err) || isPlainHTTP(t.err) }

func isCertificate(err error) bool { return errors.As(err, new(*tls.CertificateVerificationError)) }

// isPlainHTTP reports whether a server responded to a TLS handshake in plain text. The text of err
// may quote the server, so it is not compared.
func isPlainHTTP(err error) bool {
	return errors.As(err, new(tls.RecordHeaderError)) || errors.Is(err, http.ErrSchemeMismatch)
}

func (t *transport) Unwrap() error { return t.err }

func transportError(ctx context.Context, u *url.URL, err error) error {
	var ue *url.Error
	if errors.As(err, &ue) {
		err = ue.Err
	}
	text := describe(err)
	if ctx.Err() != nil {
		err, text = ctx.Err(), "no complete response in time: check whether the server is slow or blocked by a firewall"
	}
	return &Error{URL: location(u), Err: &transport{err, text}}
}

// remedyOf says how to trust a certificate of a private authority.
func remedyOf(err error) string {
	if errors.As(err, new(x509.UnknownAuthorityError)) {
		return ": for a private authority set HTTP to a client whose Transport trusts it, or SSL_CERT_FILE"
	}
	return ""
}

// describe returns the kind of failure.
func describe(err error) string {
	var dns *net.DNSError
	var op *net.OpError
	var cert *tls.CertificateVerificationError
	var refused *addressError
	switch {
	case errors.As(err, &refused):
		return refused.Error()
	case errors.As(err, &dns):
		return "host not found: check the host name and DNS"
	case errors.As(err, &cert):
		return "the server's certificate is not trusted: " + Clean(cert.Err.Error()) + remedyOf(cert.Err)
	case isPlainHTTP(err):
		return "the server does not speak TLS at this address: check scheme and port. http is accepted on loopback, elsewhere only with InsecureHTTP"
	case errors.As(err, &op) && op.Op == "proxyconnect":
		return "no connection to the proxy: " + Clean(op.Err.Error()) + ": check the proxy, and HTTPS_PROXY or the Proxy of HTTP's Transport"
	case errors.Is(err, syscall.ECONNREFUSED):
		return "connection refused: start the server, or correct host and port of its address, for example in Issuer"
	case errors.As(err, &op):
		return "the connection failed (" + op.Op + "): " + Clean(op.Err.Error())
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return "the server closed the connection before the end of its response"
	}
	return "the connection failed, or the response is not HTTP: check scheme and port of the address"
}

// location returns the URL for a log: scheme, host and path, in ASCII and with a maximum
// length.
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
