package sqlstore

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"time"
)

const (
	defaultTimeout = 2 * time.Second
	maxTimeout     = 10 * time.Second
)

// Config is the configuration of a Store. DB and Dialect must be set.
type Config struct {
	// DB is the database. The application opens and closes it, and sets its limits. If
	// SetMaxOpenConns is set, callers wait for a connection, at most Timeout.
	//
	// For SQLite, the data source name needs a busy timeout and write-ahead logging. The processes
	// then wait for each other's writes:
	// "file:app.db?_pragma=busy_timeout(2000)&_pragma=journal_mode(WAL)&_txlock=immediate" in the
	// notation of modernc.org/sqlite. A call that finds the file locked is repeated until Timeout.
	DB *sql.DB

	// Dialect is the database's variant of SQL.
	Dialect Dialect

	// Prefix is the start of every table name: at most 40 lower-case letters, digits and "_", of
	// which the first is not a digit. "" means "countersign_". Applications that share a database
	// need different prefixes.
	Prefix string

	// Timeout is the time limit of one call, including retries. 0 means 2 seconds; at most 10
	// seconds.
	Timeout time.Duration
}

// Store is the shared state of an application. It is safe for concurrent use.
type Store struct {
	db      *sql.DB
	sql     map[statement]string
	dialect Dialect
	prefix  string
	timeout time.Duration
	most    int64 // values in a log
	writes  atomic.Uint64
	turn    chan struct{} // the lock of this process's writers; nil if the database lets them wait
}

// New returns a Store, or an error that names every wrong setting. It does not connect to the
// database: call [Store.Ping] to check that it answers and has the tables.
func New(config Config) (*Store, error) {
	if err := config.check(); err != nil {
		return nil, err
	}
	s := &Store{db: config.DB, dialect: config.Dialect, prefix: config.Prefix, timeout: config.Timeout, most: maxLogged}
	if s.prefix == "" {
		s.prefix = DefaultPrefix
	}
	if s.timeout == 0 {
		s.timeout = defaultTimeout
	}
	if s.dialect == SQLite {
		s.turn = make(chan struct{}, 1)
	}
	s.sql = statements(s.dialect, s.prefix)
	return s, nil
}

func (c *Config) check() error {
	var errs []error
	wrong := func(bad bool, text string) {
		if bad {
			errs = append(errs, errors.New("sqlstore: Config."+text))
		}
	}
	wrong(c.DB == nil, "DB is nil: set it to an open *sql.DB")
	wrong(c.Dialect != PostgreSQL && c.Dialect != SQLite, "Dialect is not set: set it to PostgreSQL or SQLite")
	wrong(!isPrefix(c.Prefix), "Prefix must have at most 40 lower-case letters, digits and underscores, and must not begin with a digit")
	wrong(c.Timeout < 0 || c.Timeout > maxTimeout, fmt.Sprintf("Timeout is %v, expected 0 to %v", c.Timeout, maxTimeout))
	return errors.Join(errs...)
}

// Ping checks that the database answers and has the tables, for a readiness probe. The error
// names a table that is missing. Every error is an [*Error].
func (s *Store) Ping(ctx context.Context) error {
	ctx, cancel := s.within(ctx)
	defer cancel()
	for _, table := range tables {
		err := s.do(ctx, "ping", func(ctx context.Context) error {
			rows, err := s.db.QueryContext(ctx, "SELECT 1 FROM "+s.prefix+table+" WHERE 1 = 0")
			if err != nil {
				return err
			}
			return errors.Join(rows.Close(), rows.Err())
		})
		var e *Error
		if errors.As(err, &e) && !e.temporary {
			e.Err = fmt.Errorf("table %s%s cannot be read: apply Schema and grant SELECT, INSERT, UPDATE and DELETE: %w", s.prefix, table, e.Err)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// String returns the prefix of the store and none of its data.
func (s *Store) String() string { return fmt.Sprintf("[SQL store, prefix %q]", s.prefix) }

// name is a key as it is stored: of one length, and without the caller's secrets.
func name(key string) []byte {
	sum := sha256.Sum256([]byte(key))
	return sum[:]
}

// ttl is the time until then in milliseconds, rounded up. It is 0 or less when that time
// has passed.
func ttl(until time.Time) int64 {
	d := time.Until(until)
	if d <= 0 {
		return 0
	}
	return milliseconds(d)
}

func milliseconds(d time.Duration) int64 { return int64((d-1)/time.Millisecond) + 1 }

// fill puts the prefix, the clock and the other parts of the dialect into a statement.
func fill(d Dialect, prefix, text string) string {
	now, skip := "(extract(epoch FROM clock_timestamp()) * 1000)::bigint", " FOR UPDATE SKIP LOCKED"
	if d == SQLite {
		now, skip = "CAST(unixepoch('subsec') * 1000 AS INTEGER)", ""
	}
	return strings.NewReplacer("{prefix}", prefix, "{now}", now, "{skip}", skip).Replace(text)
}
