package sqlstore

import (
	"context"
	"fmt"
	"time"
)

// Limits of an index.
const (
	maxLinks  = 10_000
	maxMember = 1 << 10
)

// Link adds key to index until the given time, for example a session to its user. If key is already
// in index, the later time counts. If the time has passed, nothing is added. An index has at most
// 10,000 keys. One more is an error, because a key that is not in the index could not be found when
// all of them must end. If several calls add keys at the same time, the index may have a few more.
// Every error is an [*Error].
func (s *Store) Link(ctx context.Context, index, key string, until time.Time) error {
	const op = "link"
	if err := checkLink(index, key); err != nil {
		return misuse(op, err)
	}
	if until.IsZero() {
		return misuse(op, errZero)
	}
	left := ttl(until)
	if left < 1 {
		return nil
	}
	rows, err := s.exec(ctx, op, addLink, name(index), key, left, maxLinks)
	if err == nil && rows == 0 {
		return misuse(op, errFull)
	}
	return err
}

// Linked returns the keys in index that have not expired, in any order. Every error is an [*Error].
func (s *Store) Linked(ctx context.Context, index string) (keys []string, err error) {
	const op = "linked"
	if index == "" {
		return nil, misuse(op, errKey)
	}
	err = s.do(ctx, op, func(ctx context.Context) error {
		keys = nil
		rows, err := s.db.QueryContext(ctx, s.sql[listLinks], name(index), 2*maxLinks)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			var key string
			if err := rows.Scan(&key); err != nil {
				return err
			}
			keys = append(keys, key)
		}
		return rows.Err()
	})
	if err != nil {
		return nil, err // never a part of the keys
	}
	return keys, nil
}

// Unlink removes key from index, if the index has it. Every error is an [*Error].
func (s *Store) Unlink(ctx context.Context, index, key string) error {
	const op = "unlink"
	if err := checkLink(index, key); err != nil {
		return misuse(op, err)
	}
	_, err := s.exec(ctx, op, removeLink, name(index), key)
	return err
}

func checkLink(index, key string) error {
	switch {
	case index == "" || key == "":
		return errKey
	case len(key) > maxMember:
		return fmt.Errorf("the key in the index has %d bytes, expected at most %d", len(key), maxMember)
	}
	return nil
}
