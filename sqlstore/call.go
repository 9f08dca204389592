package sqlstore

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"math/rand/v2"
	"time"
)

// The pauses between two tries of a call.
const (
	firstPause = time.Millisecond
	maxPause   = 100 * time.Millisecond
)

// within limits the time of one call, which may have several statements.
func (s *Store) within(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(ctx, s.timeout)
}

// do runs statements, within the time limit. It repeats them after a fault that may be short: a
// lock, a conflict of transactions, a lost connection. So statements may run more than once, also
// after the database has executed them. The result must be the same.
func (s *Store) do(ctx context.Context, op string, call func(context.Context) error) error {
	ctx, cancel := s.within(ctx)
	defer cancel()
	var last *Error
	for wait := firstPause; ; wait = min(2*wait, maxPause) {
		err := call(ctx)
		if err == nil || errors.Is(err, sql.ErrNoRows) {
			return nil
		}
		e := newError(op, err)
		if last != nil && errors.Is(ctx.Err(), context.DeadlineExceeded) {
			return last // says more than that time is over
		}
		if !e.mends || !pause(ctx, wait) {
			return e
		}
		if e.Code == readOnly {
			s.discard(ctx)
		}
		last = e
	}
}

// discard closes an idle connection. After a failover, the pool would keep connections to a server
// that is no longer the primary.
func (s *Store) discard(ctx context.Context) {
	if c, err := s.db.Conn(ctx); err == nil {
		_ = c.Raw(func(any) error { return driver.ErrBadConn }) // this removes it from the pool
		_ = c.Close()
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

// pause waits for about d, so that callers with a conflict do not repeat at the same time. It
// returns false if ctx ends first.
func pause(ctx context.Context, d time.Duration) bool {
	select {
	case <-time.After(d/2 + rand.N(d)):
		return true
	case <-ctx.Done():
		return false
	}
}
