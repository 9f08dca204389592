package endpoint

import (
	"context"
	"errors"
	"sync"
	"time"
)

// grace is how long a call goes on that everybody has left. What it brings serves the
// next caller, and callers that hang up cannot make the module ask again and again.
const grace = 2 * time.Second

// Flight lets many callers share one call under way. A caller that gives up
// does not fail the others; when the last one has, the call is ended after a while.
// The zero value is ready.
type Flight[T any] struct {
	mu   sync.Mutex
	call *call[T]
}

type call[T any] struct {
	done     chan struct{}
	cancel   context.CancelFunc
	waiting  int
	value    T
	err      error
	panicked any
}

var errNoEnd = errors.New("the call ended without an answer")

// result is for those who waited until done. A panic is theirs: where it happened nobody
// would catch it, and the whole process would end.
func (c *call[T]) result() (T, error) {
	if c.panicked != nil {
		panic(c.panicked)
	}
	return c.value, c.err
}

// Do joins the call under way or begins one, and waits for its end or ctx's.
func (f *Flight[T]) Do(ctx context.Context, fn func(context.Context) (T, error)) (T, error) {
	return f.wait(ctx, f.join(ctx, fn))
}

func (f *Flight[T]) wait(ctx context.Context, c *call[T]) (T, error) {
	select {
	case <-c.done:
		return c.result()
	case <-ctx.Done():
		f.leave(c)
		var zero T
		return zero, &Error{Err: &transport{ctx.Err(), "the caller did not wait for the answer"}}
	}
}

// Wait is Do for a caller that has something to go on with: after patience it
// leaves with done false, and the call runs on to its end.
func (f *Flight[T]) Wait(ctx context.Context, patience time.Duration, fn func(context.Context) (T, error)) (value T, err error, done bool) {
	c := f.join(ctx, fn)
	timer := time.NewTimer(patience)
	defer timer.Stop()
	select {
	case <-c.done:
		value, err = c.result()
		return value, err, true
	case <-timer.C:
	case <-ctx.Done():
	}
	return value, nil, false
}

// Join waits for the call under way, if there is one.
func (f *Flight[T]) Join(ctx context.Context) (value T, err error, joined bool) {
	f.mu.Lock()
	c := f.call
	if c != nil {
		c.waiting++
	}
	f.mu.Unlock()
	if c == nil {
		return value, nil, false
	}
	value, err = f.wait(ctx, c)
	return value, err, true
}

func (f *Flight[T]) join(ctx context.Context, fn func(context.Context) (T, error)) *call[T] {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.call == nil {
		f.call = f.begin(ctx, fn)
	}
	f.call.waiting++
	return f.call
}

// begin runs fn apart from the caller that happened to be first: with its
// values (a trace, say) but not with its end.
func (f *Flight[T]) begin(ctx context.Context, fn func(context.Context) (T, error)) *call[T] {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), Timeout)
	c := &call[T]{done: make(chan struct{}), cancel: cancel, err: errNoEnd}
	go func() {
		defer cancel()
		defer f.end(c)
		defer func() { c.panicked = recover() }()
		c.value, c.err = fn(ctx)
	}()
	return c
}

func (f *Flight[T]) end(c *call[T]) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.call == c {
		f.call = nil
	}
	close(c.done)
}

func (f *Flight[T]) leave(c *call[T]) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if c.waiting--; c.waiting == 0 {
		time.AfterFunc(grace, func() { f.abandon(c) })
	}
}

// abandon ends a call that nobody has come back to.
func (f *Flight[T]) abandon(c *call[T]) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if c.waiting > 0 {
		return
	}
	c.cancel()
	if f.call == c {
		f.call = nil // a newcomer begins anew instead of sharing the end
	}
}
