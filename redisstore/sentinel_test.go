package redisstore_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/countersign/countersign/internal/redistest"
	"github.com/countersign/countersign/redisstore"
)

// watched are a primary, its replica, and a Sentinel that switches between them.
type watched struct{ primary, replica, sentinel *redistest.Server }

func startWatched(t *testing.T) *watched {
	t.Helper()
	w := &watched{primary: redistest.Start(t)}
	_, port, _ := net.SplitHostPort(w.primary.Addr)
	w.replica = redistest.Start(t, "--replicaof", "127.0.0.1", port)
	file := filepath.Join(t.TempDir(), "sentinel.conf")
	text := fmt.Sprintf("sentinel monitor main 127.0.0.1 %s 1\nsentinel down-after-milliseconds main 500\nsentinel failover-timeout main 3000\n", port)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	w.sentinel = redistest.Start(t, file, "--sentinel")
	admin := redis.NewSentinelClient(&redis.Options{Addr: w.sentinel.Addr})
	t.Cleanup(func() { admin.Close() })
	eventually(t, func() bool {
		replicas, err := admin.Replicas(t.Context(), "main").Result()
		return err == nil && len(replicas) == 1
	})
	return w
}

// open makes a store that gets the address of the primary from Sentinel.
func (w *watched) open(t *testing.T) *redisstore.Store {
	patient, _ := w.openBoth(t)
	return patient
}

// openBoth makes a second store that has the same connections and little time.
func (w *watched) openBoth(t *testing.T) (patient, hurried *redisstore.Store) {
	c := redis.NewFailoverClient(&redis.FailoverOptions{MasterName: "main", SentinelAddrs: []string{w.sentinel.Addr}, ContextTimeoutEnabled: true})
	t.Cleanup(func() { c.Close() })
	within := func(d time.Duration) *redisstore.Store {
		return open(t, w.primary, func(config *redisstore.Config) { config.URL, config.Client, config.Timeout = "", c, d })
	}
	return within(patience), within(200 * time.Millisecond)
}

// replicated waits until the replica has all writes.
func (w *watched) replicated(t *testing.T) {
	t.Helper()
	c := redis.NewClient(&redis.Options{Addr: w.primary.Addr})
	defer c.Close()
	eventually(t, func() bool { n, err := c.Wait(t.Context(), 1, time.Second).Result(); return n == 1 && err == nil })
}

// remember stores a value of every kind, under names that begin with key.
func remember(ctx context.Context, s *redisstore.Store, key string) error {
	first, err := s.Once(ctx, key, soon())
	_, held, err2 := s.Acquire(ctx, key, long)
	if err := errors.Join(err, err2, s.Save(ctx, key, []byte(secretValue), soon()), s.Link(ctx, key, "x", soon())); err != nil || !first || !held {
		return fmt.Errorf("first %v, held %v: %w", first, held, err)
	}
	return nil
}

// remembers reports whether the store has all of them.
func remembers(ctx context.Context, s *redisstore.Store, key string) error {
	value, err := s.Load(ctx, key)
	first, err2 := s.Once(ctx, key, soon())
	_, held, err3 := s.Acquire(ctx, key, long)
	keys, err4 := s.Linked(ctx, key)
	if err := errors.Join(err, err2, err3, err4); err != nil || string(value) != secretValue || first || held || !slices.Equal(keys, []string{"x"}) {
		return fmt.Errorf("value %v, once more %v, lease again %v, linked %d: %w", value != nil, first, held, len(keys), err)
	}
	return nil
}

// inTime repeats a call until it succeeds. Until then it may only return temporary errors.
func inTime(t *testing.T, call func() error) {
	t.Helper()
	for end := time.Now().Add(2 * time.Minute); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		err := call()
		if err == nil {
			return
		}
		if !temporary(err) {
			t.Fatal(err)
		}
	}
	t.Fatal("it does not work again")
}

// TestSentinel: the primary fails. The promoted replica has everything that was replicated. The old
// primary is not used after its return.
func TestSentinel(t *testing.T) {
	t.Parallel()
	w := startWatched(t)
	s, other, ctx := w.open(t), w.open(t), t.Context()
	wantAll(t, s)
	if err := errors.Join(remember(ctx, s, "before"), remembers(ctx, other, "before")); err != nil {
		t.Fatal(err)
	}
	w.replicated(t)
	w.primary.Kill()
	inTime(t, func() error { return s.Save(ctx, "after", []byte(secretValue), soon()) })
	for _, s := range []*redisstore.Store{s, other, w.open(t)} {
		if err := remembers(ctx, s, "before"); err != nil {
			t.Error(err)
		}
		wantAll(t, s)
	}
	w.primary.Restart()
	if err := remembers(ctx, w.open(t), "before"); err != nil {
		t.Errorf("after the old primary is back: %v", err)
	}
}

// TestSentinelHandOver: the replica is promoted while the primary runs. Calls during the change
// succeed or return temporary errors.
func TestSentinelHandOver(t *testing.T) {
	t.Parallel()
	w := startWatched(t)
	s, ctx := w.open(t), t.Context()
	if err := remember(ctx, s, "before"); err != nil {
		t.Fatal(err)
	}
	w.replicated(t)
	admin, replica := redis.NewSentinelClient(&redis.Options{Addr: w.sentinel.Addr}), redis.NewClient(&redis.Options{Addr: w.replica.Addr})
	defer admin.Close()
	defer replica.Close()
	if err := admin.Failover(ctx, "main").Err(); err != nil {
		t.Fatal(err)
	}
	over := func() bool { role, err := replica.Do(ctx, "ROLE").Slice(); return err == nil && role[0] == "master" }
	eventually(t, func() bool {
		if err := remembers(ctx, s, "before"); err != nil && !temporary(err) {
			t.Error(err)
		}
		return over()
	})
	eventually(t, func() bool {
		return s.Save(ctx, "after", []byte(secretValue), soon()) == nil && replica.DBSize(ctx).Val() == 5
	})
	if err := remembers(ctx, s, "before"); err != nil {
		t.Error(err)
	}
}

// TestSentinelsLost: a store with a connection works without the Sentinels. A store without one
// fails in time.
func TestSentinelsLost(t *testing.T) {
	t.Parallel()
	w := startWatched(t)
	s, hurried := w.openBoth(t)
	_, late := w.openBoth(t)
	wantAll(t, s)
	w.sentinel.Kill()
	wantAll(t, s)
	wantTemporary(t, late)
	w.primary.Kill()
	wantTemporary(t, hurried)
}
