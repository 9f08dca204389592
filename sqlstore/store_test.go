package sqlstore_test

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/countersign/countersign/client/login/storetest"
	"github.com/countersign/countersign/sqlstore"
)

// TestContract: the suite that every store must pass.
func TestContract(t *testing.T) {
	each(t, func(t *testing.T, d database) {
		storetest.Run(t, func(t *testing.T) any { return d.open(t) })
	})
}

func temporary(err error) bool {
	var e interface{ Temporary() bool }
	return errors.As(err, &e) && e.Temporary()
}

// calls are all methods that use the database.
var calls = map[string]func(context.Context, *sqlstore.Store) error{
	"load": func(ctx context.Context, s *sqlstore.Store) error { _, err := s.Load(ctx, secretKey); return err },
	"save": func(ctx context.Context, s *sqlstore.Store) error {
		return s.Save(ctx, secretKey, []byte(secretValue), soon())
	},
	"delete": func(ctx context.Context, s *sqlstore.Store) error { return s.Delete(ctx, secretKey) },
	"once": func(ctx context.Context, s *sqlstore.Store) error {
		first, err := s.Once(ctx, secretKey, soon())
		return not(first, err)
	},
	"acquire": func(ctx context.Context, s *sqlstore.Store) error {
		release, held, err := s.Acquire(ctx, secretKey, long)
		release()
		return not(held, err)
	},
	"link":   func(ctx context.Context, s *sqlstore.Store) error { return s.Link(ctx, secretKey, secretValue, soon()) },
	"linked": func(ctx context.Context, s *sqlstore.Store) error { _, err := s.Linked(ctx, secretKey); return err },
	"unlink": func(ctx context.Context, s *sqlstore.Store) error { return s.Unlink(ctx, secretKey, secretValue) },
	"append": func(ctx context.Context, s *sqlstore.Store) error {
		return s.Append(ctx, secretKey, []byte(secretValue), soon())
	},
	"sweep": func(ctx context.Context, s *sqlstore.Store) error { _, err := s.Sweep(ctx); return err },
	"ping":  func(ctx context.Context, s *sqlstore.Store) error { return s.Ping(ctx) },
}

// not returns an error if a failed call returned true.
func not(yes bool, err error) error {
	if yes && err != nil {
		return errors.New("yes and an error at once")
	}
	return err
}

// TestErrors: each error has a reason, is temporary or not, and contains no secret.
func TestErrors(t *testing.T) {
	each(t, func(t *testing.T, d database) {
		closed := d.handle(t)
		closed.Close()
		for _, test := range []struct {
			name      string
			store     *sqlstore.Store
			temporary bool
			text      string
		}{
			{"no tables", d.store(t, d.handle(t), "other_"), false, "code"},
			{"closed", d.store(t, closed, ""), false, "closed"},
		} {
			for name, call := range calls {
				err := call(t.Context(), test.store)
				var e *sqlstore.Error
				if !errors.As(err, &e) || temporary(err) != test.temporary || !strings.Contains(err.Error(), test.text) ||
					strings.Contains(fmt.Sprintf("%+v", err), "canary") {
					t.Errorf("%s: %s: %v", test.name, name, err)
				}
			}
		}
	})
}

// TestServerDown: while PostgreSQL is down, every call fails in time. Afterwards every call
// succeeds.
func TestServerDown(t *testing.T) {
	t.Parallel()
	d := ownPostgres(t)
	s := d.open(t)
	if err := s.Save(t.Context(), secretKey, []byte(secretValue), soon()); err != nil {
		t.Fatal(err)
	}
	d.server.Kill()
	var group sync.WaitGroup
	for name, call := range calls {
		group.Go(func() {
			start := time.Now()
			err := call(t.Context(), d.hurried(t, 200*time.Millisecond))
			if !temporary(err) || strings.Contains(fmt.Sprintf("%+v", err), "canary") {
				t.Errorf("%s: %v", name, err)
			}
			if took := time.Since(start); took > time.Minute { // a margin for a busy machine
				t.Errorf("%s took %v", name, took)
			}
		})
	}
	group.Wait()
	d.server.Restart(t)
	if value, err := s.Load(t.Context(), secretKey); err != nil || string(value) != secretValue {
		t.Errorf("after the restart: %q, %v", value, err)
	}
}

// TestMisuse: invalid arguments are rejected without a statement.
func TestMisuse(t *testing.T) {
	t.Parallel()
	s := sqlite(t).open(t)
	ctx := t.Context()
	_, loaded := s.Load(ctx, "")
	_, once := s.Once(ctx, "", soon())
	_, zero := s.Once(ctx, secretKey, time.Time{})
	_, over := s.Once(ctx, secretKey, time.Now().Add(-time.Second))
	_, _, lease := s.Acquire(ctx, "", time.Second)
	_, _, short := s.Acquire(ctx, secretKey, 0)
	_, linked := s.Linked(ctx, "")
	for name, err := range map[string]error{
		"load without key": loaded, "once without key": once, "once without time": zero, "once in the past": over,
		"lease without key": lease, "lease without duration": short, "linked without index": linked,
		"save without key":    s.Save(ctx, "", nil, soon()),
		"save without time":   s.Save(ctx, secretKey, nil, time.Time{}),
		"save 64 KiB + 1":     s.Save(ctx, secretKey, bytes.Repeat([]byte("c"), 64<<10+1), soon()),
		"delete without key":  s.Delete(ctx, ""),
		"link without index":  s.Link(ctx, "", secretKey, soon()),
		"link without key":    s.Link(ctx, secretKey, "", soon()),
		"link without time":   s.Link(ctx, secretKey, secretValue, time.Time{}),
		"link a long key":     s.Link(ctx, secretKey, strings.Repeat("c", 1025), soon()),
		"unlink without key":  s.Unlink(ctx, secretKey, ""),
		"unlink without name": s.Unlink(ctx, "", secretKey),
	} {
		if err == nil || temporary(err) || strings.Contains(err.Error(), "canary") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestConfig: all faults of a configuration are reported at once.
func TestConfig(t *testing.T) {
	t.Parallel()
	_, err := sqlstore.New(sqlstore.Config{Prefix: "Bad-", Timeout: time.Minute})
	for _, field := range []string{"DB", "Dialect", "Prefix", "Timeout"} {
		if err == nil || !strings.Contains(err.Error(), "Config."+field) {
			t.Errorf("the error does not name %s: %v", field, err)
		}
	}
	db := sqlite(t).handle(t)
	for prefix, ok := range map[string]bool{"": true, "app_": true, "a1_": true, "1a": false, "a;b": false, `a"b`: false, "a b": false, strings.Repeat("a", 41): false} {
		_, err := sqlstore.New(sqlstore.Config{DB: db, Dialect: sqlstore.SQLite, Prefix: prefix})
		if (err == nil) != ok || (sqlstore.Schema(sqlstore.SQLite, prefix) != "") != ok {
			t.Errorf("prefix %q: %v", prefix, err)
		}
	}
	if sqlstore.Schema(0, "") != "" {
		t.Error("a schema for no dialect")
	}
}

// TestSchemaIsNeverApplied: the package creates no table.
func TestSchemaIsNeverApplied(t *testing.T) {
	each(t, func(t *testing.T, d database) {
		s := d.store(t, d.handle(t), "absent_")
		for _, call := range calls {
			if call(t.Context(), s) == nil {
				t.Error("a call without tables succeeded")
			}
		}
	})
}

// TestFullIndex: the size of an index is limited. Expired values make room.
func TestFullIndex(t *testing.T) {
	each(t, func(t *testing.T, d database) {
		s := d.open(t)
		fill := map[sqlstore.Dialect]string{
			sqlstore.PostgreSQL: `INSERT INTO countersign_links SELECT sha256('full'), 'm' || i, 9999999999999 FROM generate_series(1, 9999) AS i`,
			sqlstore.SQLite: `WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 9999)
				INSERT INTO countersign_links SELECT x'` + sha256Full + `', 'm' || i, 9999999999999 FROM n`,
		}
		d.exec(t, fill[d.dialect])
		if err := s.Link(t.Context(), "full", "last", soon()); err != nil {
			t.Fatal(err)
		}
		if err := s.Link(t.Context(), "full", "one more", soon()); err == nil || temporary(err) {
			t.Errorf("one more: %v", err)
		}
		if err := s.Link(t.Context(), "full", "last", soon()); err != nil {
			t.Errorf("one that is there: %v", err)
		}
		if keys, err := s.Linked(t.Context(), "full"); err != nil || len(keys) != 10_000 {
			t.Errorf("%d keys, %v", len(keys), err)
		}
		d.exec(t, "UPDATE countersign_links SET until = 1 WHERE member = 'm1'")
		if err := s.Link(t.Context(), "full", "one more", soon()); err != nil {
			t.Errorf("after one has expired: %v", err)
		}
	})
}

// sha256Full is the stored form of the key "full".
const sha256Full = "a18b869b2e81c0c529552a3c4fa5c92ed08b98a4e146aed778d71d27517f83ac"

// TestSweep removes expired rows in steps, and no others.
func TestSweep(t *testing.T) {
	each(t, func(t *testing.T, d database) {
		s := d.open(t)
		fill := map[sqlstore.Dialect]string{
			sqlstore.PostgreSQL: `INSERT INTO countersign_values SELECT sha256(('old' || i)::bytea), '1x', 1 FROM generate_series(1, 1500) AS i`,
			sqlstore.SQLite: `WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1500)
				INSERT INTO countersign_values SELECT CAST('old' || i AS BLOB), '1x', 1 FROM n`,
		}
		d.exec(t, fill[d.dialect])
		if err := s.Save(t.Context(), "kept", []byte("value"), soon()); err != nil {
			t.Fatal(err)
		}
		if first, err := s.Once(t.Context(), "kept", soon()); !first || err != nil {
			t.Fatal(err)
		}
		for step, want := range []int64{1000, 500, 0} {
			if n, err := s.Sweep(t.Context()); n != want || err != nil {
				t.Errorf("step %d removed %d rows, %v; expected %d", step, n, err, want)
			}
		}
		if value, err := s.Load(t.Context(), "kept"); string(value) != "value" || err != nil {
			t.Errorf("%q, %v", value, err)
		}
		if first, err := s.Once(t.Context(), "kept", soon()); first || err != nil {
			t.Errorf("%v, %v", first, err)
		}
	})
}

func rows(t *testing.T, db *sql.DB, query string) (n int) {
	t.Helper()
	if err := db.QueryRowContext(t.Context(), query).Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}

// TestNothingReadable: no column has a readable key.
func TestNothingReadable(t *testing.T) {
	t.Parallel()
	d := postgres(t)
	s := d.open(t)
	for _, name := range []string{"save", "once", "acquire"} {
		if err := calls[name](t.Context(), s); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Link(t.Context(), secretKey, "member", soon()); err != nil {
		t.Fatal(err)
	}
	dump := d.server.Exec(t, "SELECT encode(name, 'escape') FROM countersign_values UNION ALL SELECT encode(name, 'escape') || mark FROM countersign_marks UNION ALL SELECT encode(name, 'escape') FROM countersign_links")
	if dump == "" || strings.Contains(dump, secretKey) {
		t.Error("a key is readable in the database")
	}
}

// TestLogOfAnotherDatabase: after an older state was restored, a reader reads the whole log again
// and misses no value.
func TestLogOfAnotherDatabase(t *testing.T) {
	each(t, func(t *testing.T, d database) {
		s, ctx := d.open(t), t.Context()
		var mu sync.Mutex
		got := map[string]bool{}
		following, cancel := context.WithCancel(ctx)
		done := make(chan error, 1)
		go func() {
			done <- d.open(t).Follow(following, "log", func(v []byte) { mu.Lock(); got[string(v)] = true; mu.Unlock() }, func() {})
		}()
		has := func(value string) bool { mu.Lock(); defer mu.Unlock(); return got[value] }
		want := func(value string) {
			t.Helper()
			if err := s.Append(ctx, "log", []byte(value), soon()); err != nil {
				t.Fatal(err)
			}
			eventually(t, func() bool { return has(value) })
		}
		want("a")
		want("b")
		d.exec(t, "DELETE FROM countersign_logged")
		d.exec(t, "UPDATE countersign_logs SET n = 0, mark = 'restored'")
		want("c") // has the number of a
		want("d")
		cancel()
		<-done
	})
}
