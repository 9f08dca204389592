package endpoint

import (
	"context"
	"errors"
	"sync"
	"time"
)

// grace is how long a call continues after all its callers have left. The result serves the
// next caller. So callers that disconnect cannot cause many calls.
const grace = 2 * time.Second

// Flight lets many callers share one running call. A caller that leaves does not affect the
// others. After the last one has left, the call is cancelled after a while. The zero value is
// ready.
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

var errNoEnd = errors.New("the call did not return a result")

// result returns the result to a caller that waited. It repeats a panic of the call in the
// caller's goroutine, where it can be recovered; otherwise the process would end.
func (c *call[T]) result() (T, error) {
	if c.panicked != nil {
		panic(c.panicked)
	}
	return c.value, c.err
}

// Do joins the running call or starts one. It waits until the call or ctx ends.
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
		return zero, &Error{Err: &transport{ctx.Err(), "the caller stopped waiting for the response"}}
	}
}

// Wait is Do for a caller that can continue without the result. After patience it returns with
// done false, and the call continues.
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

// Join waits for the running call, if there is one.
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

// begin runs fn with the values of the first caller's context, such as a trace, but not with
// its cancellation.
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

// abandon cancels a call that no caller waits for.
func (f *Flight[T]) abandon(c *call[T]) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if c.waiting > 0 {
		return
	}
	c.cancel()
	if f.call == c {
		f.call = nil // the next caller starts a new call instead of sharing the cancelled one
	}
}
