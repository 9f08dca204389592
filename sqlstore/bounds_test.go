package sqlstore_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/countersign/countersign/sqlstore"
)

// The tables, each with the values of an expired row with number i.
var expired = map[string]string{
	"values": "CAST('old' || i AS {bytes}), '1x', 1",
	"marks":  "1, CAST('old' || i AS {bytes}), 'mark', 1",
	"links":  "CAST('old' AS {bytes}), 'member' || i, 1",
	"logged": "CAST('old' AS {bytes}), i, 'mark', '1x', 1",
}

// addExpired writes rows that have expired into a table.
func addExpired(t *testing.T, d database, table string, n int) {
	t.Helper()
	row := strings.ReplaceAll(expired[table], "{bytes}", map[sqlstore.Dialect]string{sqlstore.PostgreSQL: "bytea", sqlstore.SQLite: "BLOB"}[d.dialect])
	d.exec(t, fmt.Sprintf("INSERT INTO countersign_%s WITH RECURSIVE numbers(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM numbers WHERE i < %d) SELECT %s FROM numbers", table, n, row))
}

// TestSweepSteps: 50 writes remove 200 expired rows of each table, and the next 50 remove 200
// more.
func TestSweepSteps(t *testing.T) {
	each(t, func(t *testing.T, d database) {
		for table := range expired {
			addExpired(t, d, table, 500)
		}
		s, db := d.open(t), d.handle(t)
		for write := 1; write <= 150; write++ {
			if err := s.Save(t.Context(), fmt.Sprint("new", write), nil, soon()); err != nil {
				t.Fatal(err)
			}
			want, checked := map[int]int{49: 500, 50: 300, 99: 300, 100: 100, 150: 0}[write]
			for table := range expired {
				if n := rows(t, db, "SELECT count(*) FROM countersign_"+table+" WHERE until = 1"); checked && n != want {
					t.Errorf("after %d writes %s has %d expired rows, expected %d", write, table, n, want)
				}
			}
		}
	})
}

// TestFullLog: a log never has more values than its maximum. Expired values make room.
func TestFullLog(t *testing.T) {
	if sqlstore.MaxLogged != 1_048_576 {
		t.Errorf("a log holds %d values, documented are 1,048,576", sqlstore.MaxLogged)
	}
	each(t, func(t *testing.T, d database) {
		const most = 192
		s := d.open(t)
		s.SetMost(most)
		add := func() error { return s.Append(t.Context(), "full", []byte("value"), soon()) }
		added := 0
		for ; added <= most && add() == nil; added++ {
		}
		if added > most || added < most-63 {
			t.Errorf("%d values were added, expected %d to %d", added, most-63, most)
		}
		for range 3 {
			if err := add(); err == nil || temporary(err) || !strings.Contains(err.Error(), "full") {
				t.Errorf("one more: %v", err)
			}
		}
		if err := s.Append(t.Context(), "another", []byte("value"), soon()); err != nil {
			t.Errorf("another log: %v", err)
		}
		d.exec(t, "UPDATE countersign_logged SET until = 1 WHERE n < 100")
		if _, err := s.Sweep(t.Context()); err != nil {
			t.Fatal(err)
		}
		if err := add(); err != nil {
			t.Errorf("after values have expired: %v", err)
		}
	})
}

// TestPing: the error contains each missing table.
func TestPing(t *testing.T) {
	each(t, func(t *testing.T, d database) {
		s := d.open(t)
		if err := s.Ping(t.Context()); err != nil {
			t.Error(err)
		}
		for _, table := range []string{"values", "marks", "links", "logs", "logged"} {
			d.exec(t, "ALTER TABLE countersign_"+table+" RENAME TO away")
			err := s.Ping(t.Context())
			if err == nil || temporary(err) || !strings.Contains(err.Error(), "countersign_"+table+" ") || !strings.Contains(err.Error(), "Schema") {
				t.Errorf("without %s: %v", table, err)
			}
			d.exec(t, "ALTER TABLE away RENAME TO countersign_"+table)
		}
	})
}

// TestDeadline: locked tables do not block a caller beyond its deadline, in any call.
func TestDeadline(t *testing.T) {
	t.Parallel()
	d := postgres(t)
	s := d.hurried(t, 200*time.Millisecond)
	tx, err := d.handle(t).BeginTx(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer tx.Rollback()
	if _, err := tx.ExecContext(t.Context(), "LOCK TABLE countersign_values, countersign_marks, countersign_links, countersign_logs, countersign_logged"); err != nil {
		t.Fatal(err)
	}
	for name, call := range calls {
		if err := call(t.Context(), s); !temporary(err) || !strings.Contains(err.Error(), "Timeout") {
			t.Errorf("%s of locked tables: %v", name, err)
		}
	}
}

// TestOneDeadline: a call with several statements has one deadline. Here a write removes expired
// rows, and all tables except the first are locked.
func TestOneDeadline(t *testing.T) {
	t.Parallel()
	d := postgres(t)
	const limit = 5 * time.Second
	s, err := sqlstore.New(sqlstore.Config{DB: d.handle(t), Dialect: d.dialect, Timeout: limit})
	if err != nil {
		t.Fatal(err)
	}
	for range 49 {
		if err := s.Save(t.Context(), "a", nil, soon()); err != nil {
			t.Fatal(err)
		}
	}
	tx, err := d.handle(t).BeginTx(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer tx.Rollback()
	if _, err := tx.ExecContext(t.Context(), "LOCK TABLE countersign_marks, countersign_links, countersign_logged"); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- s.Save(context.WithoutCancel(t.Context()), "a", nil, soon()) }()
	select {
	case err := <-ended:
		if err != nil {
			t.Error("the write was made, but:", err)
		}
	case <-time.After(5 * limit / 2):
		t.Error("a write took more than twice its limit: each of the three locked tables was waited for")
	}
	if err := tx.Rollback(); err != nil && !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}
