package sqlstore

import (
	"context"
	"crypto/rand"
	"database/sql"
	"errors"
	"fmt"
	"time"
)

// Limits of a log.
const (
	maxLogged   = 1 << 20
	countEvery  = 64 // appended values
	followEvery = 400 * time.Millisecond
	pageSize    = 1000
)

// Append adds value, of at most 64 KiB, to a log until the given time. All followers get it within
// half a second. If the time has passed, nothing is added. A log holds at most 1,048,576 values.
// Append to a full log is an error, because an old value must not be forgotten. Append counts the
// values only before every 64th value, so it may report a full log up to 63 values early. After a
// lost response, the value may be in the log twice. Every error is an [*Error].
func (s *Store) Append(ctx context.Context, log string, value []byte, until time.Time) error {
	const op = "append"
	left := ttl(until)
	switch {
	case log == "":
		return misuse(op, errKey)
	case until.IsZero():
		return misuse(op, errZero)
	case len(value) > maxValue:
		return misuse(op, fmt.Errorf("the value has %d bytes, expected at most %d", len(value), maxValue))
	case left < 1:
		return nil
	}
	ctx, cancel := s.within(ctx)
	defer cancel()
	full := false
	err := s.write(ctx, op, func(ctx context.Context) (err error) {
		full, err = s.append(ctx, name(log), append([]byte{format}, value...), left)
		return err
	})
	switch {
	case err != nil:
		return err
	case full:
		return misuse(op, errLogFull)
	}
	s.written(ctx)
	return nil
}

// append adds the value under the next number, in one transaction.
func (s *Store) append(ctx context.Context, log, value []byte, left int64) (full bool, err error) {
	tx, err := s.db.BeginTx(ctx, nil)
	if err != nil {
		return false, err
	}
	defer tx.Rollback() // without effect after Commit
	var n int64
	mark := rand.Text()
	if err := tx.QueryRowContext(ctx, s.sql[nextLogged], log, mark).Scan(&n); err != nil {
		return false, err
	}
	if n%countEvery == 0 {
		if full, err := s.isFull(ctx, tx, log); full || err != nil {
			return full, err // the rollback frees the number, so the next call counts again
		}
	}
	if _, err := tx.ExecContext(ctx, s.sql[addLogged], log, n, mark, value, left); err != nil {
		return false, err
	}
	return false, tx.Commit()
}

// isFull reports whether the log has no room for as many values as are added until the next
// count.
func (s *Store) isFull(ctx context.Context, tx *sql.Tx, log []byte) (bool, error) {
	var count int64
	err := tx.QueryRowContext(ctx, s.sql[countLogged], log, s.most).Scan(&count)
	return count > s.most-countEvery, err
}

// Follow calls heard for each value in the log and for each value that is added later. It calls
// current each time it knows that no value is missing. It reads the log every 400 milliseconds. If
// the log was changed in another way, for example by a restore, Follow reads it again from the
// start. So heard may get a value twice. A read that failed is repeated after 400 milliseconds, and
// current is not called until a read succeeds. Follow returns when ctx ends, with the cause. One
// goroutine calls heard and current. An empty log is an [*Error] at once.
func (s *Store) Follow(ctx context.Context, log string, heard func(value []byte), current func()) error {
	if log == "" {
		return misuse("follow", errKey)
	}
	f := &follower{store: s, log: name(log), heard: heard}
	tick := time.NewTicker(followEvery)
	defer tick.Stop()
	for {
		if f.look(ctx) == nil {
			current()
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-tick.C:
		}
	}
}

// follower stores how far a process has read the log.
type follower struct {
	store *Store
	log   []byte
	heard func([]byte)

	n    int64 // the last number
	mark string
}

// look reads the values that were added since the last call.
func (f *follower) look(ctx context.Context) error {
	n, mark, err := f.last(ctx)
	if err != nil || n == f.n && mark == f.mark {
		return err
	}
	same, err := f.isSameLog(ctx, n)
	if err != nil {
		return err
	}
	if !same {
		f.n = 0
	}
	for f.n < n {
		more, err := f.page(ctx)
		if err != nil {
			return err
		}
		if !more {
			break
		}
	}
	f.n, f.mark = max(f.n, n), mark
	return nil
}

// last returns the last number of the log and its mark: 0 and "" for a log without values.
func (f *follower) last(ctx context.Context) (n int64, mark string, err error) {
	err = f.store.do(ctx, "follow", func(ctx context.Context) error {
		return f.store.db.QueryRowContext(ctx, f.store.sql[lastLogged], f.log).Scan(&n, &mark)
	})
	return n, mark, err
}

// isSameLog reports whether the last value that was read is still in the log, before n. If that
// value has expired, the whole log is read again.
func (f *follower) isSameLog(ctx context.Context, n int64) (bool, error) {
	if f.n == 0 || f.n >= n {
		return false, nil
	}
	var mark string
	err := f.store.do(ctx, "follow", func(ctx context.Context) error {
		return f.store.db.QueryRowContext(ctx, f.store.sql[markLogged], f.log, f.n).Scan(&mark)
	})
	return mark == f.mark, err
}

// page reads the next values. more is false when there is no further value.
func (f *follower) page(ctx context.Context) (more bool, err error) {
	err = f.store.do(ctx, "follow", func(ctx context.Context) error {
		rows, err := f.store.db.QueryContext(ctx, f.store.sql[listLogged], f.log, f.n, pageSize)
		if err != nil {
			return err
		}
		return errors.Join(f.read(rows, &more), rows.Close())
	})
	return more, err
}

func (f *follower) read(rows *sql.Rows, more *bool) error {
	for rows.Next() {
		var n int64
		var value []byte
		if err := rows.Scan(&n, &value); err != nil {
			return err
		}
		if len(value) > 0 && value[0] == format {
			f.heard(value[1:])
		}
		f.n, *more = n, true
	}
	return rows.Err()
}
