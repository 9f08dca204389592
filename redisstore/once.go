package redisstore

import (
	"context"
	"crypto/rand"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"
)

// claim writes the caller's mark unless there is another's. It may be sent twice: the
// library repeats a command whose answer was lost, and the second must not be taken for
// that of somebody who came too late.
var claim = redis.NewScript(`
if redis.call('SET', KEYS[1], ARGV[1], 'NX', 'PX', ARGV[2]) then return 1 end
if redis.call('GET', KEYS[1]) == ARGV[1] then return 1 end
return 0`)

// giveBack ends a lease, if it still is the caller's.
var giveBack = redis.NewScript(`
if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) end
return 0`)

// Once is true for the first call with this key until the time given, and false for the
// others, in whatever process. A time that is over is an error: nothing could be remembered.
func (s *Store) Once(ctx context.Context, key string, until time.Time) (first bool, err error) {
	const op = "once"
	ttl := s.ttl(until)
	switch {
	case key == "":
		return false, misuse(op, errKey)
	case until.IsZero():
		return false, misuse(op, errZero)
	case ttl < 1:
		return false, misuse(op, errOver)
	}
	return s.claim(ctx, op, s.name(kindOnce, key), rand.Text(), ttl)
}

// Acquire takes the lease on key for d. held is false while somebody else has it. release
// gives it back early, if it still is this caller's; it may be called more than once, and
// is never nil. The lease begins when the server hears of it and ends by itself, so its
// holder must be done within d of the call.
func (s *Store) Acquire(ctx context.Context, key string, d time.Duration) (release func(), held bool, err error) {
	const op = "acquire"
	nothing := func() {}
	switch {
	case key == "":
		return nothing, false, misuse(op, errKey)
	case d <= 0:
		return nothing, false, misuse(op, errLease)
	}
	name, mark := s.name(kindLease, key), rand.Text()
	held, err = s.claim(ctx, op, name, mark, milliseconds(d))
	if err != nil || !held {
		return nothing, false, err
	}
	return sync.OnceFunc(func() { s.release(ctx, name, mark) }), true, nil
}

func (s *Store) claim(ctx context.Context, op, name, mark string, ttl int64) (bool, error) {
	n := 0
	err := s.do(ctx, op, func(ctx context.Context) (err error) {
		n, err = claim.Run(ctx, s.redis, []string{name}, mark, ttl).Int()
		return err
	})
	return err == nil && n == 1, err
}

// release happens though the request that took the lease is over. When it cannot be
// done the lease ends by itself.
func (s *Store) release(ctx context.Context, name, mark string) {
	s.do(context.WithoutCancel(ctx), "release", func(ctx context.Context) error {
		return giveBack.Run(ctx, s.redis, []string{name}, mark).Err()
	})
}
