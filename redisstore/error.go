package redisstore

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"slices"
	"strings"

	"github.com/redis/go-redis/v9"
)

// Error is a failed call. Its text contains no key, value or password. It does not contain
// errors of the library and the server, because they may quote what was sent.
type Error struct {
	Op   string // load, save, delete, acquire, release, once, link, linked, unlink, append or ping
	Code string // the server's error code, such as NOAUTH or OOM; "" without a response
	Err  error  // the cause

	temporary bool
	mends     bool // the same command may succeed in a moment
}

func (e *Error) Error() string { return "redisstore: " + e.Op + ": " + e.Err.Error() }

// Unwrap returns Err.
func (e *Error) Unwrap() error { return e.Err }

// Temporary reports whether the same call may succeed later. It is true if the server could not be
// reached, was too slow, or was not ready.
func (e *Error) Temporary() bool { return e.temporary }

// Errors of the caller.
var (
	errKey     = errors.New("the key is empty")
	errZero    = errors.New("the expiry time of the value is zero")
	errOver    = errors.New("the expiry time of the key has passed")
	errLease   = errors.New("the duration of the lease is not positive")
	errFull    = errors.New("the index is full, expected at most 10,000 keys")
	errForeign = errors.New("the stored value was not written by this package: set Config.Prefix to a prefix that no other program uses")
)

// misuse returns an error that a retry does not fix.
func misuse(op string, err error) *Error { return &Error{Op: op, Err: err} }

// standing are the server's errors that remain until the operator changes the server or the
// configuration.
var standing = []string{"NOAUTH", "WRONGPASS", "NOPERM", "WRONGTYPE"}

// passing are errors of a server that may respond otherwise in a moment. It starts, another server
// becomes the primary, a slot moves, or a script runs.
var passing = []string{"LOADING", "READONLY", "MASTERDOWN", "CLUSTERDOWN", "TRYAGAIN", "NOREPLICAS", "MOVED", "ASK", "BUSY"}

// mends reports whether the same command may succeed in a moment. A certificate that is not
// trusted, a closed client and a full memory take longer.
func mends(err error, code string) bool {
	var certificate *tls.CertificateVerificationError
	switch {
	case code != "":
		return slices.Contains(passing, code) || redis.HasErrorPrefix(err, "max number of clients reached")
	case errors.As(err, &certificate), errors.Is(err, redis.ErrClosed), errors.Is(err, context.Canceled):
		return false
	}
	return true
}

func newError(op string, err error) *Error {
	e := &Error{Op: op, Code: code(err), temporary: true}
	for _, c := range standing {
		e.temporary = e.temporary && c != e.Code
	}
	e.mends = mends(err, e.Code)
	e.Err = describe(err, e.Code)
	return e
}

// code returns the first word of the server's error.
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

// remedies say what to do about an error code of the server.
var remedies = map[string]string{
	"NOAUTH":    "set user and password in Config.URL or Client",
	"WRONGPASS": "correct user and password in Config.URL or Client",
	"NOPERM":    "allow the commands and the keys of Config.Prefix in the ACL of the user",
	"OOM":       "the server's memory is full: increase maxmemory",
	"MISCONF":   "the server cannot write its snapshot: read its log",
	"READONLY":  "the server is a replica: connect to the primary",
}

// advice returns ": " and what to do about a code, or "".
func advice(code string) string {
	if text := remedies[code]; text != "" {
		return ": " + text
	}
	return ""
}

// describe returns the kind of failure in this package's own words.
func describe(err error, code string) error {
	var op *net.OpError
	var certificate *tls.CertificateVerificationError
	switch {
	case errors.Is(err, context.Canceled):
		return context.Canceled
	case code != "":
		return errors.New("the server responded with " + code + advice(code))
	case errors.As(err, &certificate):
		return errors.New("the server's certificate is not trusted")
	case errors.As(err, &op) && !op.Timeout():
		return op // contains addresses and the system's error
	case errors.Is(err, context.DeadlineExceeded), errors.As(err, &op):
		return errors.New("no response in time: check the server, or increase Config.Timeout")
	case errors.Is(err, redis.ErrClosed):
		return errors.New("the store is closed")
	case errors.Is(err, redis.ErrPoolTimeout):
		return errors.New("every connection is in use: increase the pool size, or look for a slow server")
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return errors.New("the server closed the connection")
	}
	return errors.New("the connection failed: check Config.URL and the server")
}
