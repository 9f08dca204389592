package login

import (
	"cmp"
	"errors"
	"fmt"
	"net/http"
	"time"
)

// defaultMaxCalls is the limit if Config.MaxCalls is 0.
const defaultMaxCalls = 100

// gate limits the number of concurrent callers. It does not queue: waiting callers would hold
// connections, and a flood would exhaust them.
type gate chan struct{}

func newGate(n int) gate { return make(gate, cmp.Or(n, defaultMaxCalls)) }

// enter returns the function that leaves the gate, or errBusy.
func (g gate) enter() (leave func(), err error) {
	select {
	case g <- struct{}{}:
		return func() { <-g }, nil
	default:
		return nil, errBusy
	}
}

var errBusy = errors.New("the limit of concurrent calls to the server is reached: increase Config.MaxCalls, or check why the server is slow")

// limitError says that Config.Limit rejected a login.
type limitError struct{ wait time.Duration }

func (e *limitError) Error() string {
	return fmt.Sprintf("Config.Limit requires the visitor to wait %s", e.wait)
}

// checkLimit asks Config.Limit.
func (l *Login) checkLimit(r *http.Request) error {
	if l.config.Limit == nil {
		return nil
	}
	if wait := l.config.Limit(r); wait > 0 {
		return &limitError{wait}
	}
	return nil
}

// retryAfter returns the Retry-After of a problem, or 0 for none.
func retryAfter(err error) time.Duration {
	var limited *limitError
	switch {
	case errors.As(err, &limited):
		return limited.wait
	case errors.Is(err, errBusy):
		return time.Second
	}
	return 0
}
