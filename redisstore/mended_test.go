package redisstore_test

import (
	"fmt"
	"regexp"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/countersign/countersign/internal/redistest"
	"github.com/countersign/countersign/redisstore"
)

// writes are calls that only a primary accepts.
var writes = []string{"save", "once", "acquire", "link"}

// A passing fault of a server, and how it ends. code is what the server responds until then.
type passing struct {
	code       string
	args       []string
	begin, end []any
}

// TestPassingFaults: the server rejects writes for a while, more often than the Redis library
// repeats them. No call fails.
func TestPassingFaults(t *testing.T) {
	t.Parallel()
	for _, f := range []passing{
		{"READONLY", nil, []any{"REPLICAOF", "127.0.0.1", "1"}, []any{"REPLICAOF", "NO", "ONE"}},
		{"NOREPLICAS", nil, []any{"CONFIG", "SET", "min-replicas-to-write", "1"}, []any{"CONFIG", "SET", "min-replicas-to-write", "0"}},
		{"CLUSTERDOWN", []string{"--cluster-enabled", "yes"}, []any{"CLUSTER", "DELSLOTS", "1"}, []any{"CLUSTER", "ADDSLOTS", "1"}},
	} {
		t.Run(f.code, func(t *testing.T) {
			t.Parallel()
			f.test(t)
		})
	}
}

func (f passing) test(t *testing.T) {
	server := redistest.Start(t, f.args...)
	admin := redis.NewClient(&redis.Options{Addr: server.Addr})
	defer admin.Close()
	do := func(args ...any) {
		t.Helper()
		if err := admin.Do(t.Context(), args...).Err(); err != nil {
			t.Fatal(args, err)
		}
	}
	patient := func(c *redisstore.Config) { c.Timeout = 10 * time.Second }
	if len(f.args) > 0 {
		do("CLUSTER", "ADDSLOTSRANGE", 0, 16383)
		eventually(t, func() bool { return admin.Set(t.Context(), "any", "", 0).Err() == nil })
		c := redis.NewClusterClient(&redis.ClusterOptions{Addrs: []string{server.Addr}, ContextTimeoutEnabled: true})
		t.Cleanup(func() { c.Close() })
		patient = func(config *redisstore.Config) { config.URL, config.Client, config.Timeout = "", c, 10*time.Second }
	}
	s := open(t, server, patient)
	wantAll(t, s)
	if err := admin.FlushAll(t.Context()).Err(); err != nil {
		t.Fatal(err)
	}
	do(f.begin...)
	var group sync.WaitGroup
	for _, name := range writes {
		group.Go(func() {
			if err := calls[name](t.Context(), s); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		})
	}
	eventually(t, func() bool { return rejections(t, admin, f.code) > 5*len(writes) })
	do(f.end...)
	group.Wait()
}

var errorStat = regexp.MustCompile(`errorstat_(\w+):count=(\d+)`)

// rejections is how often the server responded with an error.
func rejections(t *testing.T, admin *redis.Client, code string) int {
	t.Helper()
	info, err := admin.Info(t.Context(), "errorstats").Result()
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range errorStat.FindAllStringSubmatch(info, -1) {
		if n, err := strconv.Atoi(m[2]); err == nil && m[1] == code {
			return n
		}
	}
	return 0
}

// TestRestarted: calls that begin while the server is down succeed when it is back in time.
// Neither a lease nor a used key is given twice.
func TestRestarted(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t, "--appendonly", "yes", "--appendfsync", "always")
	s := open(t, server, func(c *redisstore.Config) { c.Timeout = 10 * time.Second })
	wantAll(t, s)
	server.Kill()
	var group sync.WaitGroup
	for name, call := range calls {
		group.Go(func() {
			if err := call(t.Context(), s); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		})
	}
	firsts := make(chan bool, 10)
	for i := range cap(firsts) {
		group.Go(func() {
			first, err := s.Once(t.Context(), "contested", soon())
			if err != nil {
				t.Error(fmt.Sprint("once ", i, ": "), err)
			}
			firsts <- first
		})
	}
	time.Sleep(300 * time.Millisecond) // longer than the library's own retries, so that the store must repeat the call
	server.Restart()
	group.Wait()
	close(firsts)
	n := 0
	for first := range firsts {
		if first {
			n++
		}
	}
	if n != 1 {
		t.Errorf("%d callers were first, expected 1", n)
	}
}
