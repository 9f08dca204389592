package machines_test

import (
	"context"
	"database/sql"
	"fmt"
	"strconv"
	"testing"
	"time"

	_ "github.com/jackc/pgx/v5/stdlib"
	"github.com/redis/go-redis/v9"

	"github.com/countersign/countersign/internal/pgtest"
	"github.com/countersign/countersign/internal/redistest"
	"github.com/countersign/countersign/redisstore"
	"github.com/countersign/countersign/sqlstore"
)

const (
	redisBackend    = "Redis"
	postgresBackend = "PostgreSQL"
)

var backends = []string{redisBackend, postgresBackend}

// openStore opens a store in a process. The timeout is long, because the machine may be busy.
func openStore(backend, address string) (store, error) {
	if backend == redisBackend {
		return redisstore.New(redisstore.Config{URL: address, Timeout: 10 * time.Second})
	}
	db, err := sql.Open("pgx", address)
	if err != nil {
		return nil, err
	}
	db.SetMaxOpenConns(10)
	db.SetMaxIdleConns(10)
	return sqlstore.New(sqlstore.Config{DB: db, Dialect: sqlstore.PostgreSQL, Timeout: 10 * time.Second})
}

// server is a running Redis or PostgreSQL.
type server struct {
	address string
	size    func(ctx context.Context) (int, error) // bytes of all that is stored, without what was removed
}

func startServer(t testing.TB, backend string) server {
	t.Helper()
	if backend == redisBackend {
		return startRedis(t)
	}
	pg := pgtest.Start(t)
	pg.Exec(t, sqlstore.Schema(sqlstore.PostgreSQL, ""))
	return server{pg.DSN(), func(context.Context) (int, error) {
		for _, table := range []string{"values", "marks", "links", "logs", "logged"} {
			pg.Exec(t, "VACUUM FULL countersign_"+table)
		}
		return strconv.Atoi(pg.Exec(t, "SELECT sum(pg_total_relation_size(oid)) FROM pg_class WHERE relname LIKE 'countersign%' AND relkind = 'r'"))
	}}
}

func startRedis(t testing.TB) server {
	t.Helper()
	rs := redistest.Start(t)
	c := redis.NewClient(&redis.Options{Addr: rs.Addr, ReadTimeout: time.Minute})
	t.Cleanup(func() { c.Close() })
	return server{rs.URL(), func(ctx context.Context) (total int, err error) {
		keys := c.Scan(ctx, 0, "*", 1000).Iterator()
		for keys.Next(ctx) {
			n, err := c.MemoryUsage(ctx, keys.Val(), 0).Result()
			if err != nil && err != redis.Nil { // it may have expired
				return 0, fmt.Errorf("MEMORY USAGE: %w", err)
			}
			total += int(n)
		}
		return total, keys.Err()
	}}
}
