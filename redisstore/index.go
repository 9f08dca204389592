package redisstore

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/redis/go-redis/v9"
)

// Limits of an index.
const (
	maxLinks  = 10_000
	maxMember = 1 << 10
)

// link keeps the members with the times until which they count, those that are over left
// out, and the whole as long as the last of them. Arguments: member, its time, now, how
// many there may be.
var link = redis.NewScript(`
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', ARGV[3])
if not redis.call('ZSCORE', KEYS[1], ARGV[1]) and redis.call('ZCARD', KEYS[1]) >= tonumber(ARGV[4]) then return 0 end
redis.call('ZADD', KEYS[1], 'GT', ARGV[2], ARGV[1])
local last = redis.call('ZRANGE', KEYS[1], -1, -1, 'WITHSCORES')
redis.call('PEXPIRE', KEYS[1], last[2] - ARGV[3])
return 1`)

// Link notes that key belongs to index, such as a session to its user, until the time
// given; of two times for one key the later counts. When that time is over already, nothing
// is noted. An index has at most 10,000 keys: one more is an error, for a key that was
// left out could not be found when all of them are to end.
func (s *Store) Link(ctx context.Context, index, key string, until time.Time) error {
	const op = "link"
	if err := checkLink(index, key); err != nil {
		return misuse(op, err)
	}
	if until.IsZero() {
		return misuse(op, errZero)
	}
	ttl, now, added := s.ttl(until), s.clock().UnixMilli(), 0
	if ttl < 1 {
		return nil
	}
	err := s.do(ctx, op, func(ctx context.Context) (err error) {
		added, err = link.Run(ctx, s.redis, []string{s.name(kindIndex, index)}, key, now+ttl, now, maxLinks).Int()
		return err
	})
	if err == nil && added == 0 {
		return misuse(op, errFull)
	}
	return err
}

// Linked gives the keys that belong to index and whose time is not over.
func (s *Store) Linked(ctx context.Context, index string) (keys []string, err error) {
	const op = "linked"
	if index == "" {
		return nil, misuse(op, errKey)
	}
	err = s.do(ctx, op, func(ctx context.Context) (err error) {
		keys, err = s.redis.ZRangeArgs(ctx, redis.ZRangeArgs{
			Key: s.name(kindIndex, index), ByScore: true, Start: "(" + strconv.FormatInt(s.clock().UnixMilli(), 10), Stop: "+inf", Count: maxLinks,
		}).Result()
		return err
	})
	return keys, err
}

// Unlink takes key out of index, if it is there.
func (s *Store) Unlink(ctx context.Context, index, key string) error {
	const op = "unlink"
	if err := checkLink(index, key); err != nil {
		return misuse(op, err)
	}
	return s.do(ctx, op, func(ctx context.Context) error { return s.redis.ZRem(ctx, s.name(kindIndex, index), key).Err() })
}

func checkLink(index, key string) error {
	switch {
	case index == "" || key == "":
		return errKey
	case len(key) > maxMember:
		return fmt.Errorf("a key of %d bytes in an index; at most %d are kept", len(key), maxMember)
	}
	return nil
}
