package sqlstore

import (
	"context"
	"crypto/rand"
	"sync"
	"time"
)

// The kinds of marks, so that a lease may have the same key as what is used once.
const (
	kindOnce  = 1
	kindLease = 2
)

// Once is true for the first call with this key until the time given, and false for all others,
// in every process. A time that has passed is an error: it could not be remembered. Every error
// is an [*Error].
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

// Acquire gets the lease on key for d. held is false while another caller has it. release ends the
// lease early, if this caller still has it. It may be called more than once, and is never nil. The
// lease begins when the database writes it and ends by itself, so the holder must be done within d
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
		// The request that took the lease may have ended. If this fails the lease expires.
		_, _ = s.exec(context.WithoutCancel(ctx), "release", releaseMark, kindLease, name(key), mark)
	}), true, nil
}

func (s *Store) claim(ctx context.Context, op string, kind int, key, mark string, left int64) (bool, error) {
	rows, err := s.exec(ctx, op, claimMark, kind, name(key), mark, left)
	return err == nil && rows == 1, err
}
