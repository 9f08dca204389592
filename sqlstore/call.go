package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"time"
)

// The pauses between two tries to use a file that another program has locked.
const (
	firstPause = time.Millisecond
	maxPause   = 50 * time.Millisecond
)

// within limits the time of one call, which may have several statements.
func (s *Store) within(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(ctx, s.timeout)
}

// do runs statements, within the time of a call. They may run more than once: after a call that
// found the file locked, nothing has changed. SQLite's own wait can end too early, because other
// callers get the lock first.
func (s *Store) do(ctx context.Context, op string, call func(context.Context) error) error {
	ctx, cancel := s.within(ctx)
	defer cancel()
	var locked error
	for wait := firstPause; ; wait = min(2*wait, maxPause) {
		err := call(ctx)
		switch {
		case err == nil, errors.Is(err, sql.ErrNoRows):
			return nil
		case s.isLocked(err) && pause(ctx, wait):
			locked = err
		case locked != nil && ctx.Err() != nil:
			return newError(op, locked) // it says more than the error of ctx
		default:
			return newError(op, err)
		}
	}
}

// write is do for statements that write. SQLite has one writer. Other writers poll for the lock,
// and some wait for seconds. The writers of one process wait in a queue instead.
func (s *Store) write(ctx context.Context, op string, call func(context.Context) error) error {
	if s.turn == nil {
		return s.do(ctx, op, call)
	}
	ctx, cancel := s.within(ctx)
	defer cancel()
	select {
	case s.turn <- struct{}{}:
		defer func() { <-s.turn }()
		return s.do(ctx, op, call)
	case <-ctx.Done():
		return newError(op, ctx.Err())
	}
}

// exec runs a statement that writes and returns the number of rows that it changed.
func (s *Store) exec(ctx context.Context, op string, st statement, args ...any) (rows int64, err error) {
	ctx, cancel := s.within(ctx)
	defer cancel()
	err = s.write(ctx, op, func(ctx context.Context) error {
		result, err := s.db.ExecContext(ctx, s.sql[st], args...)
		if err != nil {
			return err
		}
		rows, err = result.RowsAffected()
		return err
	})
	if err == nil {
		s.written(ctx)
	}
	return rows, err
}

// isLocked reports SQLITE_BUSY and SQLITE_LOCKED: nothing was read or written.
func (s *Store) isLocked(err error) bool { return s.dialect == SQLite && isLocked(code(err)) }

// pause waits for d. It returns false if ctx ends first.
func pause(ctx context.Context, d time.Duration) bool {
	select {
	case <-time.After(d):
		return true
	case <-ctx.Done():
		return false
	}
}
