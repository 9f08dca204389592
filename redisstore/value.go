package redisstore

import (
	"context"
	"fmt"
	"time"
)

// maxValue is the maximum size of a value, in bytes.
const maxValue = 64 << 10

// format is the first byte of every value. It distinguishes an empty value from a missing one,
// and this package's values from others.
const format = '1'

// Load returns the value of key. It returns nil and no error if nothing is stored, or it has
// expired. Every error is an [*Error].
func (s *Store) Load(ctx context.Context, key string) ([]byte, error) {
	const op = "load"
	if key == "" {
		return nil, misuse(op, errKey)
	}
	var stored string
	err := s.do(ctx, op, func(ctx context.Context) (err error) {
		stored, err = s.redis.GetRange(ctx, s.name(kindValue, key), 0, maxValue+1).Result()
		return err
	})
	switch {
	case err != nil || stored == "":
		return nil, err
	case stored[0] != format || len(stored) > maxValue+1:
		return nil, misuse(op, errForeign)
	}
	return []byte(stored[1:]), nil
}

// Save stores value, of at most 64 KiB, under key until the given time, and replaces an earlier
// value. If the time has passed, it deletes the value. Every error is an [*Error].
func (s *Store) Save(ctx context.Context, key string, value []byte, until time.Time) error {
	const op = "save"
	switch {
	case key == "":
		return misuse(op, errKey)
	case until.IsZero():
		return misuse(op, errZero)
	case len(value) > maxValue:
		return misuse(op, fmt.Errorf("the value has %d bytes, expected at most %d", len(value), maxValue))
	}
	ttl := s.ttl(until)
	return s.do(ctx, op, func(ctx context.Context) error {
		if ttl < 1 {
			return s.redis.Del(ctx, s.name(kindValue, key)).Err()
		}
		return s.redis.Do(ctx, "SET", s.name(kindValue, key), string(format)+string(value), "PX", ttl).Err()
	})
}

// Delete deletes the value of key, if there is one. Every error is an [*Error].
func (s *Store) Delete(ctx context.Context, key string) error {
	const op = "delete"
	if key == "" {
		return misuse(op, errKey)
	}
	return s.do(ctx, op, func(ctx context.Context) error { return s.redis.Del(ctx, s.name(kindValue, key)).Err() })
}
