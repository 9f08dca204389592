package rs

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync/atomic"
	"time"
)

// defaultMaxCalls limits the concurrent calls to a server, and so the connections. If the
// server responds in 20 ms, this allows 5,000 calls per second.
const defaultMaxCalls = 100

var errMaxCalls = errors.New("the limit of concurrent calls to the server (MaxCalls) is reached: the server is slow, or clients send many unknown tokens")

// gate limits the calls to a server, because an anonymous client causes one call with every
// random token.
type gate struct {
	limit    func(*http.Request) time.Duration
	max      int
	underWay *int32
}

// enter asks Limit and reserves a call. If it returns no error, the caller must call leave.
func (g gate) enter(ctx context.Context) error {
	if g.limit != nil {
		if wait := g.limit(requestOf(ctx)); wait > 0 {
			return tooManyRequests(wait)
		}
	}
	most := g.max
	if most == 0 {
		most = defaultMaxCalls
	}
	if atomic.AddInt32(g.underWay, 1) > int32(most) {
		g.leave()
		e := notAvailable(errMaxCalls)
		e.RetryAfter = time.Second
		return e
	}
	return nil
}

func (g gate) leave() { atomic.AddInt32(g.underWay, -1) }

func checkMaxCalls(field string, n int) error {
	if n < 0 || n > 1<<20 {
		return fmt.Errorf("%s is %d, expected 0 to %d", field, n, 1<<20)
	}
	return nil
}
