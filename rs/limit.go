package rs

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync/atomic"
	"time"
)

// defaultMaxCalls bounds the calls to a server that are under way, and with them the
// connections. A server that answers in 20 ms gets 5,000 questions a second through it.
const defaultMaxCalls = 100

var errMaxCalls = errors.New("MaxCalls calls to the server are under way: the server is slow, or clients send many unknown tokens (see Limit)")

// gate stands before the calls to a server: an anonymous client can cause one with every
// random token that it sends.
type gate struct {
	limit    func(*http.Request) time.Duration
	max      int
	underWay *int32
}

// enter asks Limit, and takes one of the places. The caller must call leave if there is no
// error.
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
