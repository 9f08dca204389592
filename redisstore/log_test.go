package redisstore_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/countersign/countersign/internal/redistest"
	"github.com/countersign/countersign/redisstore"
	"github.com/countersign/countersign/rs"
	"github.com/countersign/countersign/rs/ssf"
)

var (
	_ rs.SharedLog = (*redisstore.Store)(nil)
	_ ssf.Store    = (*redisstore.Store)(nil)
)

// reader reads a log.
type reader struct {
	mu      sync.Mutex
	values  []string
	current int
}

func follow(t *testing.T, s *redisstore.Store, log string) *reader {
	r := &reader{}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() {
		done <- s.Follow(ctx, log, func(v []byte) { r.mu.Lock(); defer r.mu.Unlock(); r.values = append(r.values, string(v)) },
			func() { r.mu.Lock(); defer r.mu.Unlock(); r.current++ })
	}()
	t.Cleanup(func() {
		cancel()
		if err := <-done; !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
	})
	return r
}

func (r *reader) has(want ...string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	got := slices.Clone(r.values)
	slices.Sort(got)
	return slices.Equal(slices.Compact(got), want)
}

func (r *reader) looks() int { r.mu.Lock(); defer r.mu.Unlock(); return r.current }

func add(t *testing.T, s *redisstore.Store, log string, values ...string) {
	t.Helper()
	for _, v := range values {
		if err := s.Append(t.Context(), log, []byte(v), soon()); err != nil {
			t.Fatal(err)
		}
	}
}

// TestLog: every reader gets every value once and in order, also if it starts later. Two logs do
// not mix. REV-11.
func TestLog(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	a, b := open(t, server, nil), open(t, server, nil)
	first := follow(t, b, secretKey)
	eventually(t, func() bool { return first.looks() > 0 })
	add(t, a, secretKey, "1", "2", "3")
	add(t, a, "another", "x")
	later := follow(t, a, secretKey)
	add(t, b, secretKey, "4")
	for _, r := range []*reader{first, later} {
		eventually(t, func() bool { return r.has("1", "2", "3", "4") })
		if !slices.IsSorted(r.values) || len(r.values) != 4 {
			t.Errorf("%q", r.values)
		}
	}
	if err := a.Append(t.Context(), secretKey, []byte("over"), time.Now().Add(-time.Second)); err != nil || !first.has("1", "2", "3", "4") {
		t.Errorf("a value whose time is over: %v", err)
	}
}

// TestLogMany: a log that is longer than a page is read completely. REV-11.
func TestLogMany(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	s := open(t, server, nil)
	var want []string
	for i := range 2500 {
		want = append(want, fmt.Sprintf("%05d", i))
	}
	add(t, s, "x", want...)
	r := follow(t, s, "x")
	eventually(t, func() bool { return r.has(want...) })
}

// TestLogExpires: expired values are removed, and their numbers are not used again. REV-11.
func TestLogExpires(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	var later time.Duration
	s := open(t, server, func(c *redisstore.Config) { c.Now = func() time.Time { return time.Now().Add(later) } })
	r := follow(t, s, "x")
	add(t, s, "x", "1", "2")
	eventually(t, func() bool { return r.has("1", "2") })
	c := redis.NewClient(&redis.Options{Addr: server.Addr})
	defer c.Close()
	later = 2 * long
	if err := s.Append(t.Context(), "x", []byte("3"), time.Now().Add(time.Hour)); err != nil {
		t.Fatal(err)
	}
	eventually(t, func() bool { return r.has("1", "2", "3") })
	keys := c.Keys(t.Context(), "*values").Val()
	if n := c.ZCard(t.Context(), keys[0]).Val(); len(keys) != 1 || n != 1 {
		t.Errorf("%d values are kept", n)
	}
	if young := follow(t, s, "x"); true {
		eventually(t, func() bool { return young.has("3") })
	}
}

// TestLogGap: a value that was missed by pub/sub is read at the next poll. A log that started
// again, or that lost its last entries, is read from the start. REV-12.
func TestLogGap(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	s := open(t, server, nil)
	r := follow(t, s, "x")
	add(t, s, "x", "1", "2")
	eventually(t, func() bool { return r.has("1", "2") })
	c := redis.NewClient(&redis.Options{Addr: server.Addr})
	defer c.Close()
	saved := map[string]string{} // as on a replica that lacks the last writes
	for _, key := range c.Keys(t.Context(), "*").Val() {
		saved[key] = c.Dump(t.Context(), key).Val()
	}
	add(t, s, "x", "3", "4")
	eventually(t, func() bool { return r.has("1", "2", "3", "4") })
	for key, dump := range saved {
		if err := c.RestoreReplace(t.Context(), key, 0, dump).Err(); err != nil {
			t.Fatal(err)
		}
	}
	add(t, s, "x", "5", "6") // with the numbers of 3 and 4
	eventually(t, func() bool { return r.has("1", "2", "3", "4", "5", "6") })
	server.Restart() // the server has lost its data
	looks := r.looks()
	eventually(t, func() bool { return r.looks() > looks+1 })
	for i := range 8 {
		inTime(t, func() error {
			return s.Append(t.Context(), "x", []byte("new "+strconv.Itoa(i)), soon())
		})
	}
	eventually(t, func() bool {
		return r.has("1", "2", "3", "4", "5", "6", "new 0", "new 1", "new 2", "new 3", "new 4", "new 5", "new 6", "new 7")
	})
}

// TestLogDown: while the server is down the list is not current. Afterwards it is current again.
// REV-12.
func TestLogDown(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t, "--appendonly", "yes", "--appendfsync", "no")
	s := open(t, server, nil)
	r := follow(t, s, "x")
	add(t, s, "x", "1")
	eventually(t, func() bool { return r.has("1") })
	server.Kill()
	if err := open(t, server, hurried).Append(t.Context(), "x", []byte("2"), soon()); !temporary(err) {
		t.Errorf("without the server: %v", err)
	}
	looks := r.looks()
	time.Sleep(time.Second)
	if r.looks() > looks+1 {
		t.Error("current without the server")
	}
	server.Restart()
	inTime(t, func() error { return s.Append(t.Context(), "x", []byte("3"), soon()) })
	eventually(t, func() bool { return r.has("1", "3") || r.has("1", "2", "3") })
}

// followRevocations is a process that checks requests. It reports when it rejects a session, and
// not when it cannot read the list for a moment.
func followRevocations(ctx context.Context, s *redisstore.Store) func(sid string) {
	v := &rs.Revocations{Shared: s, SharedKey: []byte(processKey)}
	go v.Run(ctx)
	for v.Ready(ctx) != nil {
		time.Sleep(10 * time.Millisecond)
	}
	return func(sid string) {
		fmt.Println("watching")
		for err := error(nil); err == nil || temporary(err); time.Sleep(200 * time.Microsecond) {
			err = v.CheckRevocation(ctx, "x", &rs.Principal{Issuer: "i", SessionID: sid})
		}
		fmt.Println(time.Now().UnixNano())
	}
}

const processKey = "canary-key that all processes have"

// TestRevocationProcesses: every other process rejects a session that one process revokes, with 2
// and with 8 processes, and without pub/sub. The log has the times: on an idle machine each is less
// than a second. REV-13.
func TestRevocationProcesses(t *testing.T) {
	rounds := 10
	for _, silent := range []bool{false, true} {
		server := redistest.Start(t)
		if silent { // no user may publish or subscribe
			rounds = 5 // which wait for the next read of the log
			c := redis.NewClient(&redis.Options{Addr: server.Addr})
			if err := c.Do(t.Context(), "ACL", "SETUSER", "default", "resetchannels").Err(); err != nil {
				t.Fatal(err)
			}
			c.Close()
		}
		for _, n := range []int{2, 8} {
			name := fmt.Sprintf("%d processes, published %v", n, !silent)
			t.Run(name, func(t *testing.T) {
				v := &rs.Revocations{Shared: open(t, server, nil), SharedKey: []byte(processKey)}
				var all []*process
				for range n {
					all = append(all, startProcess(t, "revocations", server))
				}
				var took []time.Duration
				for round := range rounds {
					sid := fmt.Sprint(name, round)
					for _, p := range all {
						p.say(sid)
						if line := p.line(); line != "watching" {
							t.Fatal(line)
						}
					}
					began := time.Now()
					inTime(t, func() error { return v.EndAccess(t.Context(), "i", "", sid, began) })
					for _, p := range all {
						at, err := strconv.ParseInt(p.line(), 10, 64)
						if err != nil {
							t.Fatal(err)
						}
						took = append(took, time.Duration(at-began.UnixNano()))
					}
				}
				slices.Sort(took)
				t.Logf("median %v, most %v", took[len(took)/2].Round(10*time.Microsecond), took[len(took)-1].Round(10*time.Microsecond))
				wantListeners(t, server, map[bool]int{false: n, true: 0}[silent])
			})
		}
	}
}

// wantListeners waits until that many processes have subscribed.
func wantListeners(t *testing.T, server *redistest.Server, want int) {
	t.Helper()
	c := redis.NewClient(&redis.Options{Addr: server.Addr})
	defer c.Close()
	eventually(t, func() bool {
		channels, err := c.PubSubChannels(t.Context(), "*").Result()
		if err != nil || want == 0 {
			return err == nil && len(channels) == 0
		}
		if len(channels) != 1 {
			return false
		}
		listening, err := c.PubSubNumSub(t.Context(), channels...).Result()
		return err == nil && listening[channels[0]] == int64(want)
	})
}

// TestLogRights: the rights that a user of the server needs for logs. Without the channel the
// store polls.
func TestLogRights(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	s := open(t, server, func(c *redisstore.Config) {
		c.URL = strings.Replace(server.URL(), "redis://", "redis://app:canary-password@", 1)
	})
	setRights(t, server, rights+" "+logRights)
	r := follow(t, s, "x")
	add(t, s, "x", "1")
	eventually(t, func() bool { return r.has("1") })
	setRights(t, server, "resetchannels")
	add(t, s, "x", "2")
	eventually(t, func() bool { return r.has("1", "2") })
}

// logRights are the rights for logs only, as in docs/many-machines.md.
const logRights = "&countersign:* +hmget +hset +publish +subscribe"

// TestLogRightsPage: the page has these rights.
func TestLogRightsPage(t *testing.T) {
	page, err := os.ReadFile("../docs/many-machines.md")
	if err != nil || !strings.Contains(string(page), rights) || !strings.Contains(string(page), logRights) {
		t.Errorf("docs/many-machines.md has other rights: %v", err)
	}
}
