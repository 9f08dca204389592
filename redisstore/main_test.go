package redisstore_test

import (
	"context"
	"errors"
	"flag"
	"os"
	"testing"
	"time"

	"github.com/countersign/countersign/internal/redistest"
	"github.com/countersign/countersign/redisstore"
)

func TestMain(m *testing.M) {
	if task := os.Getenv(taskVariable); task != "" {
		child(task)
		return
	}
	flag.Parse()
	flag.Set("test.parallel", "8") // most of them wait most of the time
	os.Exit(m.Run())
}

// patience is the longest Timeout: on a busy machine a call may take seconds.
const patience = 10 * time.Second

// open makes a store for a server, with changes to its configuration.
func open(t testing.TB, server *redistest.Server, edit func(*redisstore.Config)) *redisstore.Store {
	t.Helper()
	config := redisstore.Config{URL: server.URL(), Timeout: patience}
	if edit != nil {
		edit(&config)
	}
	s, err := redisstore.New(config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

// hurried is for calls while the server is down: they end soon.
func hurried(c *redisstore.Config) { c.Timeout = 200 * time.Millisecond }

// long is longer than a test, also on a busy machine.
const long = 10 * time.Minute

// soon is an expiry that a test does not reach.
func soon() time.Time { return time.Now().Add(long) }

// The secrets of these tests. Neither may be in an error or in the name of a key.
const (
	secretKey   = "canary-key"
	secretValue = "canary-value"
)

// calls are all methods that use the server.
var calls = map[string]func(context.Context, *redisstore.Store) error{
	"load": func(ctx context.Context, s *redisstore.Store) error { _, err := s.Load(ctx, secretKey); return err },
	"save": func(ctx context.Context, s *redisstore.Store) error {
		return s.Save(ctx, secretKey, []byte(secretValue), soon())
	},
	"delete": func(ctx context.Context, s *redisstore.Store) error { return s.Delete(ctx, secretKey) },
	"once": func(ctx context.Context, s *redisstore.Store) error {
		first, err := s.Once(ctx, secretKey, soon())
		return refusedBoth(first, err)
	},
	"acquire": func(ctx context.Context, s *redisstore.Store) error {
		release, held, err := s.Acquire(ctx, secretKey, long)
		release()
		return refusedBoth(held, err)
	},
	"link": func(ctx context.Context, s *redisstore.Store) error {
		return s.Link(ctx, secretKey, secretValue, soon())
	},
	"linked": func(ctx context.Context, s *redisstore.Store) error { _, err := s.Linked(ctx, secretKey); return err },
	"unlink": func(ctx context.Context, s *redisstore.Store) error { return s.Unlink(ctx, secretKey, secretValue) },
	"append": func(ctx context.Context, s *redisstore.Store) error {
		return s.Append(ctx, secretKey, []byte(secretValue), soon())
	},
	"ping": func(ctx context.Context, s *redisstore.Store) error { return s.Ping(ctx) },
}

var errBoth = errors.New("yes and an error at once")

// refusedBoth: a call that failed must not return true.
func refusedBoth(yes bool, err error) error {
	if yes && err != nil {
		return errBoth
	}
	return err
}
