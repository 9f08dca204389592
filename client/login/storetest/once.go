package storetest

import (
	"context"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

func testReplay(t *testing.T, open func() Replay) {
	one, two := open(), open()
	t.Run("first", func(t *testing.T) { firstOnly(t, one, two) })
	t.Run("expired", func(t *testing.T) { onceExpires(t, one, two) })
	t.Run("a time that has passed", func(t *testing.T) { oncePast(t, one) })
	t.Run("cancelled", func(t *testing.T) { onceCancelled(t, one) })
	t.Run("race", func(t *testing.T) { onceRace(t, one, two) })
}

func firstOnly(t *testing.T, one, two Replay) {
	a, b := key("a"), key("b")
	for _, test := range []struct {
		store Replay
		key   string
		first bool
	}{{one, a, true}, {one, a, false}, {two, a, false}, {two, b, true}, {one, b, false}} {
		if first, err := test.store.Once(t.Context(), test.key, later()); err != nil || first != test.first {
			t.Errorf("Once gave %v, %v; expected %v", first, err, test.first)
		}
	}
}

func onceExpires(t *testing.T, one, two Replay) {
	k := key("expires")
	if first, err := one.Once(t.Context(), k, time.Now().Add(short)); !first || err != nil {
		t.Fatalf("Once gave %v, %v", first, err)
	}
	eventually(t, "the key is forgotten", func() bool { first, err := two.Once(t.Context(), k, later()); return first && err == nil })
	if first, err := one.Once(t.Context(), k, later()); first || err != nil {
		t.Errorf("Once gave %v, %v after it was used again", first, err)
	}
}

// oncePast: what cannot be remembered must not be called the first use.
func oncePast(t *testing.T, s Replay) {
	if first, err := s.Once(t.Context(), key("past"), time.Now().Add(-time.Second)); first || err == nil {
		t.Errorf("Once until a time that has passed gave %v, %v; expected an error", first, err)
	}
}

func onceCancelled(t *testing.T, s Replay) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if first, err := s.Once(ctx, key("cancelled"), later()); first && err != nil {
		t.Errorf("Once gave true and the error %v", err)
	}
}

// onceRace: of many callers at the same time exactly one is the first.
func onceRace(t *testing.T, one, two Replay) {
	for range 10 {
		k := key("race")
		var firsts atomic.Int32
		var group sync.WaitGroup
		for i := range 16 {
			s := []Replay{one, two}[i%2]
			group.Go(func() {
				if first, err := s.Once(t.Context(), k, later()); err != nil {
					t.Errorf("Once: %v", err)
				} else if first {
					firsts.Add(1)
				}
			})
		}
		group.Wait()
		if n := firsts.Load(); n != 1 {
			t.Errorf("%d of 16 callers were the first, expected 1", n)
		}
	}
}
