package redisstore

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"strings"

	"github.com/redis/go-redis/v9"
)

// Error is a call that failed. Its text holds no key, no value and no password: those of
// the library and the server may quote what was sent, and stay out.
type Error struct {
	Op   string // load, save, delete, acquire, release, once, link, linked, unlink, append or ping
	Code string // the server's, such as NOAUTH or OOM; "" when it did not answer, or was not asked
	Err  error  // what happened

	temporary bool
}

func (e *Error) Error() string { return "redisstore: " + e.Op + ": " + e.Err.Error() }

// Unwrap gives the cause.
func (e *Error) Unwrap() error { return e.Err }

// Temporary tells whether the same call may succeed later: the server could not be
// reached, was too slow, or could not do what it was asked just then.
func (e *Error) Temporary() bool { return e.temporary }

// Errors of the caller's.
var (
	errKey     = errors.New("the key is empty")
	errZero    = errors.New("until is the zero time")
	errOver    = errors.New("until is over")
	errLease   = errors.New("a lease of no time")
	errFull    = errors.New("the index is full")
	errForeign = errors.New("what is stored there is not this package's")
)

// misuse is an error that another try does not mend.
func misuse(op string, err error) *Error { return &Error{Op: op, Err: err} }

// standing are the answers of a server that is set up in another way, or holds
// something else: they stay until somebody acts.
var standing = []string{"NOAUTH", "WRONGPASS", "NOPERM", "WRONGTYPE"}

func newError(op string, err error) *Error {
	e := &Error{Op: op, Code: code(err), temporary: true}
	for _, c := range standing {
		e.temporary = e.temporary && c != e.Code
	}
	e.Err = describe(err, e.Code)
	return e
}

// code is the first word of a server's error.
func code(err error) string {
	var answer redis.Error
	if !errors.As(err, &answer) {
		return ""
	}
	word, _, _ := strings.Cut(answer.Error(), " ")
	if word == "" || len(word) > 20 || strings.Trim(word, "ABCDEFGHIJKLMNOPQRSTUVWXYZ") != "" {
		return "ERR"
	}
	return word
}

// describe says in words of our own what kind of failure err is.
func describe(err error, code string) error {
	var op *net.OpError
	var certificate *tls.CertificateVerificationError
	switch {
	case errors.Is(err, context.Canceled):
		return context.Canceled
	case code != "":
		return errors.New("the server answers " + code)
	case errors.As(err, &certificate):
		return errors.New("the server's certificate is not trusted")
	case errors.As(err, &op) && !op.Timeout():
		return op // addresses and what the system says
	case errors.Is(err, context.DeadlineExceeded), errors.As(err, &op):
		return errors.New("no answer in time")
	case errors.Is(err, redis.ErrClosed):
		return errors.New("the store is closed")
	case errors.Is(err, redis.ErrPoolTimeout):
		return errors.New("every connection is in use")
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return errors.New("the server hung up")
	}
	return errors.New("the connection cannot be used")
}
