package sqlstore

import (
	"context"
	"fmt"
	"time"
)

// maxValue is the maximum size of a value, in bytes. A session has some tokens and claims.
const maxValue = 64 << 10

// format is the first byte of every stored value. It distinguishes an empty value from a missing
// one, because some drivers read both as nil.
const format = '1'

// Load returns the value of key. It returns nil and no error if nothing is stored, or it has
// expired. Every error is an [*Error].
func (s *Store) Load(ctx context.Context, key string) ([]byte, error) {
	const op = "load"
	if key == "" {
		return nil, misuse(op, errKey)
	}
	var stored []byte
	err := s.do(ctx, op, func(ctx context.Context) error {
		return s.db.QueryRowContext(ctx, s.sql[loadValue], name(key)).Scan(&stored)
	})
	switch {
	case err != nil || stored == nil:
		return nil, err
	case len(stored) == 0 || stored[0] != format || len(stored) > maxValue+1:
		return nil, misuse(op, errForeign)
	}
	return stored[1:], nil
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
	left := ttl(until)
	if left < 1 {
		_, err := s.exec(ctx, op, deleteValue, name(key))
		return err
	}
	_, err := s.exec(ctx, op, saveValue, name(key), append([]byte{format}, value...), left)
	return err
}

// Delete deletes the value of key, if there is one. Every error is an [*Error].
func (s *Store) Delete(ctx context.Context, key string) error {
	const op = "delete"
	if key == "" {
		return misuse(op, errKey)
	}
	_, err := s.exec(ctx, op, deleteValue, name(key))
	return err
}
