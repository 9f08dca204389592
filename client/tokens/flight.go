package tokens

import (
	"errors"
	"maps"
	"sync"
	"time"

	"github.com/countersign/countersign/client"
)

const (
	backOff    = time.Second // after a failure
	maxBackOff = time.Minute // where the server requests more
	maxFailed  = 10_000
)

// calls are the refreshes in progress in this process, one for each login, and the recent
// failures. After a failure, requests do not call the server again at once. The zero value is
// ready to use.
type calls struct {
	mu      sync.Mutex
	running map[string]*call
	failed  map[string]failure
}

type call struct {
	done     chan struct{}
	tokens   *client.Tokens
	err      error
	panicked any
}

type failure struct {
	*call
	until time.Time
}

// join returns the call of key that is in progress or has just failed. Otherwise it starts one.
func (c *calls) join(key string, fn func() (*client.Tokens, error)) *call {
	c.mu.Lock()
	defer c.mu.Unlock()
	if f, ok := c.failed[key]; ok && time.Now().Before(f.until) {
		return f.call
	}
	if running, ok := c.running[key]; ok {
		return running
	}
	if c.running == nil {
		c.running, c.failed = map[string]*call{}, map[string]failure{}
	}
	out := &call{done: make(chan struct{})}
	c.running[key] = out
	go c.run(key, out, fn)
	return out
}

var errGone = errors.New("tokens: the refresh did not return a result")

func (c *calls) run(key string, out *call, fn func() (*client.Tokens, error)) {
	defer c.end(key, out)
	out.err = errGone
	out.tokens, out.err = fn()
}

// end wakes the waiting callers. A panic of application code (in Fetch, Renewed or the store) is
// raised again in these callers. Here it would end the program.
func (c *calls) end(key string, out *call) {
	out.panicked = recover()
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.running, key)
	delete(c.failed, key)
	if out.err != nil {
		c.remember(key, failure{out, time.Now().Add(pauseAfter(out.err))})
	}
	close(out.done)
}

func (c *calls) remember(key string, f failure) {
	if len(c.failed) >= maxFailed {
		now := time.Now()
		maps.DeleteFunc(c.failed, func(_ string, f failure) bool { return now.After(f.until) })
	}
	if len(c.failed) < maxFailed {
		c.failed[key] = f
	}
}

// pauseAfter returns how long no caller tries again.
func pauseAfter(err error) time.Duration {
	var asked time.Duration
	var t *client.TokenError
	if errors.As(err, &t) {
		asked = t.RetryAfter
	}
	return min(max(backOff, asked), maxBackOff)
}

// forgive forgets a failure, because there are new tokens.
func (c *calls) forgive(key string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.failed, key)
}
