package discovery

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/countersign/countersign/internal/endpoint"
)

const (
	hardLimit  = 24 * time.Hour   // nothing older is used, whatever the server's state
	retryPause = 30 * time.Second // after a failed refresh, while the old document serves
	patience   = time.Second      // how long a refresh may hold up a caller that has an old document

	clockJitter = time.Minute // by which callers' readings of the clock may overtake each other

	maxAsked     = time.Hour             // of a server's Retry-After
	firstBackoff = 50 * time.Millisecond // after a failure with no document to go on with, doubled each time
	lastBackoff  = 5 * time.Second
)

// document is something that a server publishes, kept with its three ages:
// fresh, stale (refreshed, but served while that fails) and gone. The zero
// value is a document that was never fetched.
type document[T any] struct {
	flight endpoint.Flight[T]
	fresh  atomic.Pointer[fresh[T]] // so that cores do not wait for each other at every token

	mu      sync.Mutex
	value   T
	at      time.Time // of the last success; zero means never
	until   time.Time // fresh until then
	retryAt time.Time // not refreshed before, after a refresh that failed or is slow

	fetches, failedFetches, staleUses uint64 // since the program began

	err      error // of the last failure, given again until quiet is over
	failures int
	quiet    time.Time // by the real clock: it bounds requests, not trust
}

// fresh is a document while it need not be refreshed.
type fresh[T any] struct {
	value     T
	at, until time.Time
}

// fetcher fetches a document and says for how long it is fresh.
type fetcher[T any] func(context.Context) (T, time.Duration, error)

type state int

const (
	gone state = iota
	isStale
	isFresh
)

// get gives the document: the fresh one at once, else a new one, else for up to
// [hardLimit] the previous one. fetched tells that it arrived during this call.
func (d *document[T]) get(ctx context.Context, now func() time.Time, fetch fetcher[T]) (value T, fetched bool, err error) {
	have, state, err := d.current(now())
	switch state {
	case isFresh:
		return have, false, nil
	case isStale:
		value, fetched = d.freshen(ctx, have, now, fetch)
		return value, fetched, nil
	}
	if err != nil {
		return have, false, err
	}
	value, err = d.fetch(ctx, now, fetch)
	return value, true, err
}

// held tells whether there is a document to go on with while the server is down.
func (d *document[T]) held(now time.Time) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return !d.at.IsZero() && now.Sub(d.at) < hardLimit
}

// current gives what is held. An error says that there is nothing, and that the
// server is not to be asked yet.
func (d *document[T]) current(now time.Time) (T, state, error) {
	if f := d.fresh.Load(); f != nil && !now.Before(f.at) && now.Before(f.until) {
		return f.value, isFresh, nil
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	age := now.Sub(d.at)
	switch {
	case d.at.IsZero() || age >= hardLimit:
		var zero T
		if time.Now().Before(d.quiet) {
			return zero, gone, d.err
		}
		return zero, gone, nil
	case age < -clockJitter: // the clock was put back: nothing that was noted by it holds
		d.until, d.retryAt, d.at = now, time.Time{}, now
		d.fresh.Store(nil)
	case now.Before(d.until):
		return d.value, isFresh, nil
	}
	d.staleUses++
	if now.Before(d.retryAt) {
		return d.value, isFresh, nil
	}
	return d.value, isStale, nil
}

// freshen tries for a newer document, but lets nobody wait long for it.
func (d *document[T]) freshen(ctx context.Context, have T, now func() time.Time, fetch fetcher[T]) (value T, fetched bool) {
	got, err, done := d.flight.Wait(ctx, patience, d.store(now, fetch))
	if !done {
		d.pause(now())
	}
	if !done || err != nil {
		return have, false
	}
	return got, true
}

// fetch asks the server now, together with everybody who wants the same.
func (d *document[T]) fetch(ctx context.Context, now func() time.Time, fetch fetcher[T]) (T, error) {
	return d.flight.Do(ctx, d.store(now, fetch))
}

// store wraps fetch so that its outcome is kept, good or bad.
func (d *document[T]) store(now func() time.Time, fetch fetcher[T]) func(context.Context) (T, error) {
	return func(ctx context.Context) (T, error) {
		v, lifetime, err := fetch(ctx)
		d.mu.Lock()
		defer d.mu.Unlock()
		d.fetches++
		if err != nil {
			d.failed(now(), err)
			return v, err
		}
		d.value, d.at, d.until = v, now(), now().Add(lifetime)
		d.fresh.Store(&fresh[T]{v, d.at, d.until})
		d.retryAt, d.err, d.failures, d.quiet = time.Time{}, nil, 0, time.Time{}
		return v, nil
	}
}

// failed notes a failure, and for how long the server is left alone: for a while that
// doubles, or for what it asked for itself (Retry-After) within reason.
func (d *document[T]) failed(now time.Time, err error) {
	var asked time.Duration
	var e *Error
	if errors.As(err, &e) {
		asked = e.RetryAfter
	}
	d.failedFetches++
	d.err, d.retryAt = err, now.Add(max(retryPause, min(asked, maxAsked)))
	d.quiet = time.Now().Add(max(min(firstBackoff<<d.failures, lastBackoff), min(asked, lastBackoff)))
	d.failures = min(d.failures+1, 10)
}

func (d *document[T]) pause(now time.Time) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.retryAt = now.Add(retryPause)
}
