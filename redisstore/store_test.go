package redisstore_test

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/countersign/countersign/internal/redistest"
	"github.com/countersign/countersign/redisstore"
)

// TestValues: a value exists until it expires, and only under its key.
func TestValues(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	s, ctx := open(t, server, nil), t.Context()
	load := func(key, want string) {
		t.Helper()
		if got, err := s.Load(ctx, key); err != nil || string(got) != want || (got == nil) != (want == "") {
			t.Errorf("%s: %q, %v; want %q", key, got, err, want)
		}
	}
	save := func(key, value string, until time.Time) {
		t.Helper()
		if err := s.Save(ctx, key, []byte(value), until); err != nil {
			t.Error(err)
		}
	}
	load("a", "")
	save("a", "one", soon())
	save("b", "\x00\xff\r\n", soon())
	load("a", "one")
	load("b", "\x00\xff\r\n")
	save("a", "two", soon())
	load("a", "two")
	save("a", "three", time.Now().Add(-time.Second))
	load("a", "")
	save("c", strings.Repeat("x", 64<<10), soon())
	load("c", strings.Repeat("x", 64<<10))
	if err := s.Delete(ctx, "c"); err != nil {
		t.Error(err)
	}
	load("c", "")
	if err := s.Delete(ctx, "c"); err != nil {
		t.Errorf("nothing to delete: %v", err)
	}
	save("d", "", soon())
	if got, err := s.Load(ctx, "d"); got == nil || len(got) != 0 || err != nil {
		t.Errorf("an empty value: %v, %v", got, err)
	}
	save("e", "short", time.Now().Add(time.Millisecond))
	eventually(t, func() bool { got, err := s.Load(ctx, "e"); return got == nil && err == nil })
}

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

// TestOnce: Once is true once for each key, for all callers.
func TestOnce(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	s, other, ctx := open(t, server, nil), open(t, server, nil), t.Context()
	for _, test := range []struct {
		store *redisstore.Store
		key   string
		first bool
	}{{s, "a", true}, {s, "a", false}, {other, "a", false}, {other, "b", true}, {s, "b", false}} {
		if first, err := test.store.Once(ctx, test.key, soon()); err != nil || first != test.first {
			t.Errorf("%s: %v, %v; want %v", test.key, first, err, test.first)
		}
	}
	if first, err := s.Once(ctx, "c", time.Now().Add(-time.Second)); first || err == nil {
		t.Errorf("a time that is over: %v, %v", first, err)
	}
	if first, err := s.Once(ctx, "d", time.Now().Add(time.Millisecond)); !first || err != nil {
		t.Errorf("%v, %v", first, err)
	}
	eventually(t, func() bool { first, err := s.Once(ctx, "d", soon()); return first && err == nil })
}

// TestLease: a lease has one holder, and release releases only the caller's own.
func TestLease(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	s, other, ctx := open(t, server, nil), open(t, server, nil), t.Context()
	acquire := func(s *redisstore.Store, d time.Duration, want bool) func() {
		t.Helper()
		release, held, err := s.Acquire(ctx, "a", d)
		if err != nil || held != want || release == nil {
			t.Fatalf("%v, %v; want %v", held, err, want)
		}
		return release
	}
	release := acquire(s, time.Minute, true)
	acquire(s, time.Minute, false)()
	refused := acquire(other, time.Minute, false)
	refused()
	acquire(other, time.Minute, false)
	release()
	second := acquire(other, time.Minute, true)
	release()
	acquire(s, time.Minute, false)
	second()
	acquire(s, time.Millisecond, true)
	eventually(t, func() bool { _, held, err := other.Acquire(ctx, "a", time.Minute); return held && err == nil })
}

// TestIndex: an index has the sessions of a user until they expire.
func TestIndex(t *testing.T) {
	t.Parallel()
	clock := time.Now()
	server := redistest.Start(t)
	s, ctx := open(t, server, func(c *redisstore.Config) { c.Now = func() time.Time { return clock } }), t.Context()
	want := func(index string, keys ...string) {
		t.Helper()
		got, err := s.Linked(ctx, index)
		slices.Sort(got)
		if err != nil || !slices.Equal(got, keys) {
			t.Errorf("%s: %q, %v; want %q", index, got, err, keys)
		}
	}
	link := func(index, key string, d time.Duration) {
		t.Helper()
		if err := s.Link(ctx, index, key, clock.Add(d)); err != nil {
			t.Error(err)
		}
	}
	want("sub")
	link("sub", "one", time.Minute)
	link("sub", "two", time.Hour)
	link("sub", "two", time.Second) // the later time counts
	link("sid", "one", time.Minute)
	link("sub", "over", 0)
	want("sub", "one", "two")
	want("sid", "one")
	clock = clock.Add(2 * time.Minute)
	want("sub", "two")
	link("sub", "three", time.Minute)
	if err := s.Unlink(ctx, "sub", "two"); err != nil {
		t.Error(err)
	}
	want("sub", "three")
	if err := s.Unlink(ctx, "nobody", "two"); err != nil {
		t.Error(err)
	}
	short := clock.Add(5 * time.Millisecond)
	if err := s.Link(ctx, "short", "x", short); err != nil {
		t.Error(err)
	}
	eventually(t, func() bool { got, err := s.Linked(ctx, "short"); return len(got) == 0 && err == nil })
}

// TestFullIndex: a full index rejects further sessions. Expired ones make room.
func TestFullIndex(t *testing.T) {
	t.Parallel()
	clock := time.Now()
	s := open(t, redistest.Start(t), func(c *redisstore.Config) { c.Now = func() time.Time { return clock } })
	link := func(key string) error { return s.Link(t.Context(), "sub", key, clock.Add(long)) }
	for i := range 10_000 {
		if err := link(fmt.Sprint(i)); err != nil {
			t.Fatal(err)
		}
	}
	if err := link("one more"); err == nil || temporary(err) {
		t.Errorf("one more: %v", err)
	}
	if err := link("1"); err != nil {
		t.Errorf("one that is there: %v", err)
	}
	clock = clock.Add(2 * long)
	if err := link("one more"); err != nil {
		t.Errorf("after the others' time: %v", err)
	}
}

// TestMisuse: invalid arguments are rejected without a request.
func TestMisuse(t *testing.T) {
	t.Parallel()
	s, ctx := open(t, redistest.Start(t), nil), t.Context()
	_, loaded := s.Load(ctx, "")
	_, once := s.Once(ctx, "", soon())
	_, zero := s.Once(ctx, secretKey, time.Time{})
	_, _, lease := s.Acquire(ctx, "", time.Second)
	_, _, short := s.Acquire(ctx, secretKey, 0)
	_, linked := s.Linked(ctx, "")
	for name, err := range map[string]error{
		"load without key":      loaded,
		"save without key":      s.Save(ctx, "", nil, soon()),
		"save without time":     s.Save(ctx, secretKey, nil, time.Time{}),
		"save what is too long": s.Save(ctx, secretKey, bytes.Repeat([]byte(secretValue), 64<<10/len(secretValue)+1), soon()),
		"delete without key":    s.Delete(ctx, ""),
		"once without key":      once,
		"once without time":     zero,
		"lease without key":     lease,
		"lease of no time":      short,
		"link without index":    s.Link(ctx, "", secretKey, soon()),
		"link without key":      s.Link(ctx, secretKey, "", soon()),
		"link without time":     s.Link(ctx, secretKey, secretValue, time.Time{}),
		"link what is too long": s.Link(ctx, secretKey, strings.Repeat(secretKey, 200), soon()),
		"linked without index":  linked,
		"unlink without key":    s.Unlink(ctx, secretKey, ""),
	} {
		if err == nil || temporary(err) || strings.Contains(err.Error(), "canary") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestKinds: a value, a lease, an index and a used key may have the same name. Another prefix is
// another store.
func TestKinds(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	one := open(t, server, nil)
	two := open(t, server, func(c *redisstore.Config) { c.Prefix = "other:" })
	for _, s := range []*redisstore.Store{one, two} {
		for name, call := range calls {
			if err := call(t.Context(), s); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
		if first, err := s.Once(t.Context(), secretKey+"2", soon()); !first || err != nil {
			t.Errorf("%v, %v", first, err)
		}
	}
}
