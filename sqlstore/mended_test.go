package sqlstore_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/url"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/countersign/countersign/sqlstore"
)

// wantAll makes every call at the same time. Each must succeed.
func wantAll(t *testing.T, s *sqlstore.Store) {
	t.Helper()
	var group sync.WaitGroup
	for name, call := range calls {
		group.Go(func() {
			if err := call(t.Context(), s); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		})
	}
	group.Wait()
}

// TestConnectionsClosed: the server has closed every connection of the pool, as a failover does.
// No call fails.
func TestConnectionsClosed(t *testing.T) {
	t.Parallel()
	d := postgres(t)
	db := d.handle(t)
	db.SetMaxIdleConns(20)
	s := d.store(t, db, "")
	for range 3 {
		wantAll(t, s)
		d.server.Exec(t, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()")
		for name, call := range calls {
			if err := call(t.Context(), s); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
	}
}

// TestRestarted: calls that begin while the server is down succeed when it is back in time.
func TestRestarted(t *testing.T) {
	t.Parallel()
	d := ownPostgres(t)
	s := d.open(t)
	wantAll(t, s)
	d.server.Kill()
	var group sync.WaitGroup
	for name, call := range calls {
		group.Go(func() {
			if err := call(t.Context(), s); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		})
	}
	d.server.Restart(t)
	group.Wait()
}

// TestReadOnlyConnections: connections of the pool lead to a server that became a standby, and
// new ones to the primary.
func TestReadOnlyConnections(t *testing.T) {
	t.Parallel()
	d := postgres(t)
	name := d.server.Exec(t, "SELECT current_database()")
	d.server.Exec(t, "ALTER DATABASE "+name+" SET default_transaction_read_only = on")
	db := d.handle(t)
	db.SetMaxIdleConns(20)
	var group sync.WaitGroup
	for range 5 {
		group.Go(func() { rows(t, db, "SELECT 1 FROM pg_sleep(0.2)") })
	}
	group.Wait()
	d.server.Exec(t, "BEGIN READ WRITE; ALTER DATABASE "+name+" RESET default_transaction_read_only; COMMIT")
	s := d.store(t, db, "")
	for _, name := range []string{"save", "once", "append"} {
		if err := calls[name](t.Context(), s); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestSerializable: where transactions are serializable by default, PostgreSQL rejects some of
// many writers. One of them is first, and no call fails.
func TestSerializable(t *testing.T) {
	t.Parallel()
	d := postgres(t)
	d.dsn += "&default_transaction_isolation=serializable"
	s := d.open(t)
	var first, held atomic.Int32
	var group sync.WaitGroup
	for i := range 30 {
		group.Go(func() {
			ctx := t.Context()
			yes, err := s.Once(ctx, "key", soon())
			if yes {
				first.Add(1)
			}
			_, got, err2 := s.Acquire(ctx, "key", time.Minute)
			if got {
				held.Add(1)
			}
			err3 := s.Link(ctx, "user", fmt.Sprint(i), soon())
			for _, err := range []error{err, err2, err3, s.Append(ctx, "log", nil, soon()), s.Save(ctx, "key", nil, soon())} {
				if err != nil {
					t.Error(err)
				}
			}
		})
	}
	group.Wait()
	if first.Load() != 1 || held.Load() != 1 {
		t.Errorf("%d were first, %d have the lease", first.Load(), held.Load())
	}
	if keys, err := s.Linked(t.Context(), "user"); len(keys) != 30 || err != nil {
		t.Errorf("%d links, %v", len(keys), err)
	}
}

// TestDeadlock: PostgreSQL ends a call to resolve a deadlock with another program. The call
// succeeds afterwards.
func TestDeadlock(t *testing.T) {
	t.Parallel()
	d := postgres(t)
	s, ctx := d.open(t), t.Context()
	if err := s.Append(ctx, "log", []byte("1"), soon()); err != nil {
		t.Fatal(err)
	}
	tx, err := d.handle(t).BeginTx(ctx, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer tx.Rollback()
	// The other program waits longer, so it is not the one that is ended.
	if _, err := tx.ExecContext(ctx, "SET LOCAL deadlock_timeout = '1min'; LOCK TABLE countersign_logged"); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- s.Append(ctx, "log", []byte("2"), soon()) }()
	eventually(t, func() bool {
		return d.server.Exec(t, "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()") == "1"
	})
	if _, err := tx.ExecContext(ctx, "UPDATE countersign_logs SET mark = mark"); err != nil {
		t.Fatal(err)
	}
	if err := tx.Commit(); err != nil {
		t.Fatal(err)
	}
	if err := <-ended; err != nil {
		t.Error(err)
	}
	if n := d.server.Exec(t, "SELECT count(*) FROM countersign_logged"); n != "2" {
		t.Errorf("%s values, expected 2", n)
	}
}

// TestAnswerLost: the connection ends after the database has made a write, and before its
// response. Only the caller that was first gets true.
func TestAnswerLost(t *testing.T) {
	t.Parallel()
	d := postgres(t)
	for _, name := range []string{"once", "acquire"} {
		lossy := d
		lossy.dsn = loseOneAnswer(t, d.dsn)
		s, ctx := lossy.open(t), t.Context()
		yes := map[string]func() (bool, error){
			"once":    func() (bool, error) { return s.Once(ctx, name, soon()) },
			"acquire": func() (bool, error) { _, held, err := s.Acquire(ctx, name, time.Minute); return held, err },
		}[name]
		if got, err := yes(); !got || err != nil {
			t.Errorf("%s, its answer lost: %v, %v", name, got, err)
		}
		if got, err := yes(); got || err != nil {
			t.Errorf("%s, a second time: %v, %v", name, got, err)
		}
	}
}

// loseOneAnswer forwards to a server, and closes the connection instead of the first response to
// an INSERT.
func loseOneAnswer(t *testing.T, dsn string) string {
	t.Helper()
	server, err := url.Parse(dsn)
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	var lost atomic.Bool
	pass := func(near net.Conn) {
		defer near.Close()
		far, err := net.Dial("tcp", server.Host)
		if err != nil {
			return
		}
		defer far.Close()
		go func() { io.Copy(far, near); far.Close() }()
		for out := make([]byte, 64<<10); ; {
			n, err := far.Read(out)
			if err != nil || bytes.Contains(out[:n], []byte("INSERT 0 1")) && !lost.Swap(true) {
				return
			}
			near.Write(out[:n])
		}
	}
	go func() {
		for c, err := l.Accept(); err == nil; c, err = l.Accept() {
			go pass(c)
		}
	}()
	return strings.Replace(dsn, server.Host, l.Addr().String(), 1)
}

// TestPatientFile: a caller that gives up while SQLite itself waits for a lock gets a temporary
// error, and the store works afterwards.
func TestPatientFile(t *testing.T) {
	t.Parallel()
	d := sqlite(t)
	other := d.handle(t)
	s := d.open(t)
	for _, name := range []string{"save", "once", "append"} {
		unlock := lock(t, other)
		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		if err := calls[name](ctx, s); !temporary(err) {
			t.Errorf("%s of a locked file: %v", name, err)
		}
		cancel()
		unlock()
		if err := calls[name](t.Context(), s); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestRollbackJournal: without write-ahead logging a reader delays a commit. The value of Append
// is in the log once.
func TestRollbackJournal(t *testing.T) {
	t.Parallel()
	d := database{driver: "sqlite", dialect: sqlstore.SQLite, dsn: "file:" + filepath.Join(t.TempDir(), "app.db")}
	d.exec(t, sqlstore.Schema(d.dialect, ""))
	db := d.handle(t)
	db.SetMaxOpenConns(1)
	s := d.store(t, db, "")
	if err := calls["append"](t.Context(), s); err != nil {
		t.Fatal(err)
	}
	reader, err := d.handle(t).QueryContext(t.Context(), "SELECT name FROM countersign_logged")
	if err != nil || !reader.Next() {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- calls["append"](t.Context(), s) }()
	time.AfterFunc(100*time.Millisecond, func() { reader.Close() })
	if err := <-ended; err != nil {
		t.Error(err)
	}
	if n := rows(t, d.handle(t), "SELECT count(*) FROM countersign_logged"); n != 2 {
		t.Errorf("%d values, expected 2", n)
	}
}
