package sqlstore_test

import (
	"context"
	"database/sql"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/countersign/countersign/sqlstore"
)

// impatient returns a file whose SQLite connections do not wait for a lock.
func impatient(t *testing.T) database {
	d := sqlite(t)
	d.dsn = strings.Replace(d.dsn, "busy_timeout(2000)", "busy_timeout(0)", 1)
	return d
}

// lock lets another program write to the file until the returned function is called.
func lock(t *testing.T, db *sql.DB) (unlock func()) {
	t.Helper()
	tx, err := db.BeginTx(context.WithoutCancel(t.Context()), nil) // _txlock=immediate
	if err != nil {
		t.Fatal(err)
	}
	return sync.OnceFunc(func() { tx.Rollback() })
}

// TestLocked: a call waits while another program writes, and fails only after its Timeout.
func TestLocked(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"save", "delete", "once", "acquire", "link", "unlink", "append", "sweep"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := impatient(t)
			unlock := lock(t, d.handle(t))
			defer unlock()
			wantLocked(t, d, calls[name])
			time.AfterFunc(100*time.Millisecond, unlock)
			if err := calls[name](t.Context(), d.open(t)); err != nil {
				t.Errorf("unlocked after 100 ms: %v", err)
			}
		})
	}
}

// wantLocked makes a call that has little time. On a busy machine this time may pass before the
// first look at the file. Then the call gets more time.
func wantLocked(t *testing.T, d database, call func(context.Context, *sqlstore.Store) error) {
	t.Helper()
	db := d.handle(t)
	for limit := 50 * time.Millisecond; ; limit *= 2 {
		s, err := sqlstore.New(sqlstore.Config{DB: db, Dialect: d.dialect, Timeout: limit})
		if err != nil {
			t.Fatal(err)
		}
		err = call(t.Context(), s)
		var e *sqlstore.Error
		if !errors.As(err, &e) || !e.Temporary() {
			t.Fatalf("locked: %v, expected a temporary error", err)
		}
		if e.Code == "5" && strings.Contains(err.Error(), "busy_timeout") {
			return
		}
	}
}

// TestQueue: writers of one process wait for each other. A writer leaves the queue after its
// Timeout.
func TestQueue(t *testing.T) {
	t.Parallel()
	d := impatient(t)
	unlock := lock(t, d.handle(t))
	defer unlock()
	s := d.open(t)
	var group sync.WaitGroup
	for range 20 {
		group.Go(func() {
			if err := calls["save"](t.Context(), s); err != nil {
				t.Errorf("a waiting writer: %v", err)
			}
		})
	}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	for range 2 {
		if err := calls["save"](ctx, s); !temporary(err) {
			t.Errorf("a writer without time: %v", err)
		}
	}
	unlock()
	group.Wait()
}
