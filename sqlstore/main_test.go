package sqlstore_test

import (
	"database/sql"
	"flag"
	"os"
	"path/filepath"
	"testing"
	"time"

	_ "github.com/jackc/pgx/v5/stdlib"
	_ "modernc.org/sqlite"

	"github.com/countersign/countersign/internal/pgtest"
	"github.com/countersign/countersign/sqlstore"
)

func TestMain(m *testing.M) {
	if task := os.Getenv(taskVariable); task != "" {
		child(task)
		return
	}
	flag.Parse()
	flag.Set("test.parallel", "8") // most of them wait most of the time
	os.Exit(pgtest.Main(m))
}

// A database is made by a test, with the tables.
type database struct {
	driver, dsn string
	dialect     sqlstore.Dialect
	server      *pgtest.Server // nil for SQLite
}

// open opens a handle, as another process does.
func (d database) open(t testing.TB) *sqlstore.Store {
	t.Helper()
	return d.store(t, d.handle(t), "")
}

func (d database) handle(t testing.TB) *sql.DB {
	t.Helper()
	db, err := sql.Open(d.driver, d.dsn)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	return db
}

// patience is the longest Timeout: on a busy machine a call may take seconds.
const patience = 10 * time.Second

// hurried opens a store for calls while the server is down: they end soon.
func (d database) hurried(t testing.TB, timeout time.Duration) *sqlstore.Store {
	t.Helper()
	s, err := sqlstore.New(sqlstore.Config{DB: d.handle(t), Dialect: d.dialect, Timeout: timeout})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func (d database) store(t testing.TB, db *sql.DB, prefix string) *sqlstore.Store {
	t.Helper()
	s, err := sqlstore.New(sqlstore.Config{DB: db, Dialect: d.dialect, Prefix: prefix, Timeout: patience})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func (d database) exec(t testing.TB, statements string) {
	t.Helper()
	if _, err := d.handle(t).ExecContext(t.Context(), statements); err != nil {
		t.Fatal(err)
	}
}

// postgres is a database of the server of all tests.
func postgres(t testing.TB) database {
	t.Helper()
	return withSchema(t, pgtest.Shared(t))
}

// ownPostgres is a server that the test may kill.
func ownPostgres(t testing.TB) database {
	t.Helper()
	return withSchema(t, pgtest.Start(t))
}

func withSchema(t testing.TB, server *pgtest.Server) database {
	t.Helper()
	d := database{driver: "pgx", dsn: server.DSN(), dialect: sqlstore.PostgreSQL, server: server}
	server.Exec(t, sqlstore.Schema(d.dialect, ""))
	return d
}

// sqlite does not wait for the disk, which may be slow. Written data survives the end of the
// process.
func sqlite(t testing.TB) database {
	t.Helper()
	d := database{driver: "sqlite", dialect: sqlstore.SQLite, dsn: "file:" + filepath.Join(t.TempDir(), "app.db") +
		"?_pragma=busy_timeout(2000)&_pragma=journal_mode(WAL)&_pragma=synchronous(OFF)&_txlock=immediate"}
	d.exec(t, sqlstore.Schema(d.dialect, ""))
	return d
}

// each runs a test with both databases, beside other tests.
func each(t *testing.T, test func(t *testing.T, d database)) {
	t.Parallel()
	for name, open := range map[string]func(testing.TB) database{"PostgreSQL": postgres, "SQLite": sqlite} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, open(t))
		})
	}
}

// long is longer than a test, also on a busy machine.
const long = 10 * time.Minute

// soon is an expiry that a test does not reach.
func soon() time.Time { return time.Now().Add(long) }

// eventually waits for a condition, for two minutes at most: the machine may be busy.
func eventually(t *testing.T, so func() bool) {
	t.Helper()
	for end := time.Now().Add(2 * time.Minute); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		if so() {
			return
		}
	}
	t.Fatal("it does not come to be so")
}

// The secrets of these tests: neither may be in an error or in the name of a row.
const (
	secretKey   = "canary-key"
	secretValue = "canary-value"
)
