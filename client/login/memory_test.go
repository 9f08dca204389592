package login_test

import (
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/countersign/countersign/client/login"
)

func TestMemoryValues(t *testing.T) {
	c, ctx := &clock{}, t.Context()
	m := &login.Memory{Now: c.now}
	if v, err := m.Load(ctx, "k"); v != nil || err != nil {
		t.Errorf("%q, %v of nothing", v, err)
	}
	m.Save(ctx, "k", []byte("old"), c.now().Add(time.Minute))
	m.Save(ctx, "k", []byte("v"), c.now().Add(time.Minute))
	m.Save(ctx, "empty", nil, c.now().Add(time.Hour))
	v, _ := m.Load(ctx, "k")
	if string(v) != "v" {
		t.Errorf("%q", v)
	}
	v[0] = 'x' // the slice of the caller
	if v, _ := m.Load(ctx, "k"); string(v) != "v" {
		t.Errorf("%q after a caller changed his", v)
	}
	if v, _ := m.Load(ctx, "empty"); v == nil {
		t.Error("an empty value is not there")
	}
	c.turn(time.Minute)
	if v, _ := m.Load(ctx, "k"); v != nil {
		t.Error("it is there after its time")
	}
	if err := m.Delete(ctx, "empty"); err != nil {
		t.Error(err)
	}
	if v, _ := m.Load(ctx, "empty"); v != nil || m.Delete(ctx, "empty") != nil {
		t.Error("it is there after it was deleted")
	}
}

func TestMemoryIndex(t *testing.T) {
	c, ctx := &clock{}, t.Context()
	m := &login.Memory{Now: c.now}
	m.Link(ctx, "i", "a", c.now().Add(time.Minute))
	m.Link(ctx, "i", "b", c.now().Add(time.Hour))
	m.Link(ctx, "j", "c", c.now().Add(time.Hour))
	all, _ := m.Linked(ctx, "i")
	if slices.Sort(all); !slices.Equal(all, []string{"a", "b"}) {
		t.Errorf("%q", all)
	}
	c.turn(time.Minute)
	if all, _ = m.Linked(ctx, "i"); !slices.Equal(all, []string{"b"}) {
		t.Errorf("%q after the time of a", all)
	}
	m.Unlink(ctx, "i", "b")
	m.Unlink(ctx, "i", "b")
	if all, _ = m.Linked(ctx, "i"); len(all) != 0 {
		t.Errorf("%q after all", all)
	}
}

func TestMemoryOnceAndLease(t *testing.T) {
	c, ctx := &clock{}, t.Context()
	m := &login.Memory{Now: c.now}
	var firsts, holders atomic.Int64
	var group sync.WaitGroup
	for range 50 {
		group.Go(func() {
			if first, _ := m.Once(ctx, "k", c.now().Add(time.Minute)); first {
				firsts.Add(1)
			}
			if _, held, _ := m.Acquire(ctx, "k", time.Minute); held {
				holders.Add(1)
			}
		})
	}
	group.Wait()
	if firsts.Load() != 1 || holders.Load() != 1 {
		t.Errorf("%d first ones, %d holders", firsts.Load(), holders.Load())
	}
	c.turn(time.Minute)
	late, held, _ := m.Acquire(ctx, "k", time.Minute)
	if first, _ := m.Once(ctx, "k", c.now().Add(time.Minute)); !first || !held {
		t.Error("it is taken after its time")
	}
	c.turn(time.Minute)
	if _, held, _ = m.Acquire(ctx, "k", time.Minute); !held {
		t.Fatal("the lease does not end")
	}
	if first, err := m.Once(ctx, "past", c.now()); first || err == nil {
		t.Errorf("what cannot be remembered is the first: %v, %v", first, err)
	}
	late() // belongs to no session any more
	if _, held, _ = m.Acquire(ctx, "k", time.Minute); held {
		t.Error("a holder of before gives away the lease of another")
	}
}

// TestMemoryBound: a full Memory rejects new values until old ones expire.
func TestMemoryBound(t *testing.T) {
	c, ctx := &clock{}, t.Context()
	m := &login.Memory{Now: c.now, MaxEntries: 10}
	soon := c.now().Add(time.Minute)
	for i := range 4 {
		m.Save(ctx, fmt.Sprint(i), nil, soon)
		m.Link(ctx, "i", fmt.Sprint(i), soon)
	}
	m.Save(ctx, "k", nil, soon)
	m.Acquire(ctx, "k", time.Minute)
	_, _, leaseErr := m.Acquire(ctx, "l", time.Minute)
	_, onceErr := m.Once(ctx, "l", soon)
	if m.Save(ctx, "new", nil, soon) == nil || m.Link(ctx, "i", "new", soon) == nil || onceErr == nil || leaseErr == nil {
		t.Error("it accepts more than its bound")
	}
	if err := m.Save(ctx, "0", []byte("v"), soon); err != nil {
		t.Errorf("what is there cannot be replaced: %v", err)
	}
	c.turn(2 * time.Minute)
	if err := m.Save(ctx, "new", nil, c.now().Add(time.Minute)); err != nil {
		t.Error(err)
	}
}

// TestMemoryFlood is RP-09: any number of unfinished logins leaves room for other logins and for
// signed-in users. They use at most half of the limit.
func TestMemoryFlood(t *testing.T) {
	c, ctx := &clock{}, t.Context()
	m := &login.Memory{Now: c.now, MaxEntries: 100}
	soon := c.now().Add(time.Minute)
	for i := range 200 {
		if first, err := m.Once(ctx, fmt.Sprint(i), soon); !first || err != nil {
			t.Fatalf("login %d: %t, %v", i, first, err)
		}
	}
	for _, still := range []string{"199", "150"} {
		if first, err := m.Once(ctx, still, soon); first || err != nil {
			t.Errorf("%s is new again, though it is not among the oldest: %v", still, err)
		}
	}
	_, held, err := m.Acquire(ctx, "k", time.Minute)
	for i := range 24 {
		if m.Save(ctx, fmt.Sprint(i), nil, soon) != nil || m.Link(ctx, "i", fmt.Sprint(i), soon) != nil {
			t.Fatal("no room for sessions")
		}
	}
	if !held || err != nil {
		t.Errorf("no room for a lease: %v", err)
	}
	for i := range 60 { // the sessions need the room that logins used
		if m.Save(ctx, fmt.Sprint("more", i), nil, soon) != nil && i < 51 {
			t.Fatalf("no room for session %d", i)
		}
	}
	if first, err := m.Once(ctx, "new", soon); first || err == nil {
		t.Errorf("more than the bound: %v", err)
	}
	c.turn(2 * time.Minute)
	if first, err := m.Once(ctx, "new", c.now().Add(time.Minute)); !first || err != nil {
		t.Errorf("when they are over there is no room again: %v", err)
	}
}

// TestMemoryLinkPast: links whose time has passed, or is not set, take no room.
func TestMemoryLinkPast(t *testing.T) {
	m, ctx := &login.Memory{MaxEntries: 5}, t.Context()
	for i := range 20 {
		for _, until := range []time.Time{{}, time.Now().Add(-time.Second)} {
			if err := m.Link(ctx, fmt.Sprint("user", i), "session", until); err != nil {
				t.Fatalf("after %d links: %v", i, err)
			}
		}
	}
	if keys, err := m.Linked(ctx, "user1"); len(keys) != 0 || err != nil {
		t.Errorf("%q, %v", keys, err)
	}
	if err := m.Save(ctx, "key", nil, time.Now().Add(time.Minute)); err != nil {
		t.Error(err)
	}
}
