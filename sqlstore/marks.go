package sqlstore

import (
	"context"
	"crypto/rand"
	"sync"
	"time"
)

// The kinds of marks. They separate a lease from a value that is used once and has the same key.
const (
	kindOnce  = 1
	kindLease = 2
)

// Once returns true for the first call with key until the given time, and false for every other
// call in any process. It returns an error if the time has passed, because nothing could be
// remembered. Every error is an [*Error].
func (s *Store) Once(ctx context.Context, key string, until time.Time) (first bool, err error) {
	const op = "once"
	left := ttl(until)
	switch {
	case key == "":
		return false, misuse(op, errKey)
	case until.IsZero():
		return false, misuse(op, errZero)
	case left < 1:
		return false, misuse(op, errOver)
	}
	return s.claim(ctx, op, kindOnce, key, rand.Text(), left)
}

// Acquire gets the lease on key for d. held is false if another caller has it. release returns the
// lease early if this caller still holds it. release is never nil and may be called more than once.
// The lease starts when the database writes it and ends after d, so its holder must finish within d
// of the call. Every error is an [*Error].
func (s *Store) Acquire(ctx context.Context, key string, d time.Duration) (release func(), held bool, err error) {
	const op = "acquire"
	nothing := func() {}
	switch {
	case key == "":
		return nothing, false, misuse(op, errKey)
	case d <= 0:
		return nothing, false, misuse(op, errLease)
	}
	mark := rand.Text()
	held, err = s.claim(ctx, op, kindLease, key, mark, milliseconds(d))
	if err != nil || !held {
		return nothing, false, err
	}
	return sync.OnceFunc(func() {
		// The request that took the lease may have ended. If this call fails, the lease ends after
		// its duration.
		_, _ = s.exec(context.WithoutCancel(ctx), "release", releaseMark, kindLease, name(key), mark)
	}), true, nil
}

func (s *Store) claim(ctx context.Context, op string, kind int, key, mark string, left int64) (bool, error) {
	rows, err := s.exec(ctx, op, claimMark, kind, name(key), mark, left)
	return err == nil && rows == 1, err
}
