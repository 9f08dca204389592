package storetest

import (
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

func testReplay(t *testing.T, open func() Replay) {
	one, two := open(), open()
	t.Run("first", func(t *testing.T) { firstOnly(t, one, two) })
	t.Run("expired", func(t *testing.T) { t.Parallel(); onceExpires(t, one, two) })
	t.Run("many keys", func(t *testing.T) { manyOnce(t, one, two) })
	t.Run("a time that has passed", func(t *testing.T) { oncePast(t, one) })
	t.Run("the first time counts", func(t *testing.T) { t.Parallel(); onceFirstTime(t, one, two) })
	t.Run("keys are exact", func(t *testing.T) { onceExact(t, one) })
	t.Run("ended context", func(t *testing.T) { onceEnded(t, one) })
	t.Run("race", func(t *testing.T) { onceRace(t, one, two) })
	t.Run("exact time", func(t *testing.T) {
		t.Parallel()
		k := key("exact")
		exactTime(t, timed{
			add: func(until time.Time) error { _, err := one.Once(t.Context(), k, until); return err },
			exists: func() (bool, error) {
				first, err := two.Once(t.Context(), k, time.Now().Add(time.Minute))
				return !first, err
			},
		})
	})
}

func wantOnce(t *testing.T, s Replay, key string, want bool) {
	t.Helper()
	if first, err := s.Once(t.Context(), key, later()); err != nil || first != want {
		t.Errorf("Once returned %v, %v; expected %v", first, err, want)
	}
}

func firstOnly(t *testing.T, one, two Replay) {
	a, b := key("a"), key("b")
	for _, test := range []struct {
		store Replay
		key   string
		first bool
	}{{one, a, true}, {one, a, false}, {two, a, false}, {two, b, true}, {one, b, false}} {
		wantOnce(t, test.store, test.key, test.first)
	}
}

func onceExpires(t *testing.T, one, two Replay) {
	k := key("expires")
	brief(t, func(until time.Time) error {
		first, err := one.Once(t.Context(), k, until)
		if !first && err == nil {
			t.Fatal("Once returned false, expected true")
		}
		return err
	})
	eventually(t, "the key is forgotten", func() bool { first, err := two.Once(t.Context(), k, later()); return first && err == nil })
	wantOnce(t, one, k, false)
}

// onceFirstTime: a second use with an earlier time does not make the store forget the first.
func onceFirstTime(t *testing.T, one, two Replay) {
	k := key("first time")
	wantOnce(t, one, k, true)
	brief(t, func(until time.Time) error {
		first, err := two.Once(t.Context(), k, until)
		if first {
			t.Errorf("Once returned true, %v; expected false", err)
		}
		return err
	})
	time.Sleep(2 * short)
	wantOnce(t, one, k, false)
}

// manyOnce: a key is remembered when many others have been used since.
func manyOnce(t *testing.T, one, two Replay) {
	k, others := key("old"), key("others")
	wantOnce(t, one, k, true)
	var group sync.WaitGroup
	for i := range 10 {
		group.Go(func() {
			for n := range 50 {
				wantOnce(t, two, fmt.Sprint(others, i, ".", n), true)
			}
		})
	}
	group.Wait()
	wantOnce(t, two, k, false)
	wantOnce(t, one, k, false)
}

// onceExact: the use of one key is not that of another.
func onceExact(t *testing.T, s Replay) {
	for _, k := range []string{key("Exact"), longKey()} {
		wantOnce(t, s, k, true)
		for _, other := range similar(k) {
			if len(other) <= 200 {
				wantOnce(t, s, other, true)
			}
		}
		wantOnce(t, s, k, false)
	}
}

// oncePast: what cannot be remembered must not be called the first use.
func oncePast(t *testing.T, s Replay) {
	if first, err := s.Once(t.Context(), key("past"), time.Now().Add(-time.Second)); first || err == nil {
		t.Errorf("Once until a time that has passed gave %v, %v; expected an error", first, err)
	}
}

func onceEnded(t *testing.T, s Replay) {
	first, err := s.Once(ended(t), key("ended"), later())
	wantEnded(t, "Once", err)
	if first && err != nil {
		t.Errorf("Once returned true and the error %v", err)
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
