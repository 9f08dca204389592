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

// link stores a member with its time, removes expired members, and keeps the index until the
// last member expires. Arguments: member, its time, now, maximum number of members.
var link = redis.NewScript(`
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', ARGV[3])
if not redis.call('ZSCORE', KEYS[1], ARGV[1]) and redis.call('ZCARD', KEYS[1]) >= tonumber(ARGV[4]) then return 0 end
redis.call('ZADD', KEYS[1], 'GT', ARGV[2], ARGV[1])
local last = redis.call('ZRANGE', KEYS[1], -1, -1, 'WITHSCORES')
redis.call('PEXPIRE', KEYS[1], last[2] - ARGV[3])
return 1`)

// Link adds key to index until the given time, for example a session to its user. If key is
// already in index, the later time counts. If the time has passed, nothing is added. An index
// has at most 10,000 keys. One more is an error, because a key that is not in the index could
// not be found when all of them must end. Every error is an [*Error].
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

// Linked returns the keys in index that have not expired. Every error is an [*Error].
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

// Unlink removes key from index, if the index has it. Every error is an [*Error].
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
		return fmt.Errorf("a key of an index has %d bytes, expected at most %d", len(key), maxMember)
	}
	return nil
}
