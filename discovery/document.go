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
	hardLimit  = 24 * time.Hour   // an older document is never used, even if the server is down
	retryPause = 30 * time.Second // after a failed refresh, while the old document is used
	patience   = time.Second      // how long a refresh may delay a caller that has an old document

	clockJitter = time.Minute // maximum difference between the clock readings of concurrent callers

	maxAsked     = time.Hour             // upper limit for a server's Retry-After
	firstBackoff = 50 * time.Millisecond // after a failure without a usable document; doubled after each failure
	lastBackoff  = 5 * time.Second
)

// document is a document that a server publishes. It is fresh, stale or expired. A stale document
// needs a refresh, and is used while the refresh fails. The zero value is a document that was never
// fetched.
type document[T any] struct {
	flight endpoint.Flight[T]
	fresh  atomic.Pointer[fresh[T]] // atomic, so that concurrent token checks do not wait for a lock

	mu      sync.Mutex
	value   T
	at      time.Time // time of the last successful fetch; zero means never
	until   time.Time // fresh until then
	retryAt time.Time // no refresh before this time, after a refresh that failed or is slow

	fetches, failedFetches, staleUses uint64 // since the program started

	err      error // of the last failure, returned until quiet is over
	failures int
	quiet    time.Time // by time.Now and not by Provider.Now, because it only limits requests
}

// fresh is a document that does not need a refresh yet.
type fresh[T any] struct {
	value     T
	at, until time.Time
}

// fetcher fetches a document and returns how long it is fresh.
type fetcher[T any] func(context.Context) (T, time.Duration, error)

type state int

const (
	gone state = iota
	isStale
	isFresh
)

// get returns the document. A fresh document is returned at once. Otherwise a new one is
// fetched. If that fails, the previous one is returned for up to [hardLimit]. fetched reports
// whether the document arrived during this call.
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

// held reports whether there is a document that can be used while the server is down.
func (d *document[T]) held(now time.Time) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return !d.at.IsZero() && now.Sub(d.at) < hardLimit
}

// current returns the stored document. An error means that no document is stored, and that no
// request may be sent yet.
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
	case age < -clockJitter: // the clock was set back, so the stored times are not valid
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

// freshen fetches a newer document, but returns the old one if the fetch is too slow.
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

// fetch requests the document now. Concurrent callers share one request.
func (d *document[T]) fetch(ctx context.Context, now func() time.Time, fetch fetcher[T]) (T, error) {
	return d.flight.Do(ctx, d.store(now, fetch))
}

// store wraps fetch and stores its result, success or failure.
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

// failed records a failure and the pause before the next request. The pause doubles with each
// failure, or is the server's Retry-After, up to a limit.
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
