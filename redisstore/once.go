package redisstore

import (
	"context"
	"crypto/rand"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"
)

// claim stores the caller's mark unless there is another one. It may be sent twice, because a
// command whose response was lost is repeated. The second one must still succeed.
var claim = redis.NewScript(`
if redis.call('SET', KEYS[1], ARGV[1], 'NX', 'PX', ARGV[2]) then return 1 end
if redis.call('GET', KEYS[1]) == ARGV[1] then return 1 end
return 0`)

// giveBack deletes a lease if the caller still holds it.
var giveBack = redis.NewScript(`
if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) end
return 0`)

// Once returns true for the first call with key until the given time, and false for every other
// call in any process. It returns an error if the time has passed, because nothing could be
// remembered. Every error is an [*Error].
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

// Acquire gets the lease on key for d. held is false if another caller has it. release returns the
// lease early if this caller still holds it. release is never nil and may be called more than once.
// The lease starts at the server and ends after d, so its holder must finish within d of the call.
// Every error is an [*Error].
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

// release also works after the caller's request has ended. If it fails, the lease ends after
// its duration.
func (s *Store) release(ctx context.Context, name, mark string) {
	s.do(context.WithoutCancel(ctx), "release", func(ctx context.Context) error {
		return giveBack.Run(ctx, s.redis, []string{name}, mark).Err()
	})
}
