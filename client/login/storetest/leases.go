package storetest

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

func testLeases(t *testing.T, open func() Leases) {
	one, two := open(), open()
	t.Run("one holder", func(t *testing.T) { oneHolder(t, one, two) })
	t.Run("expired", func(t *testing.T) { t.Parallel(); leaseExpires(t, one, two) })
	t.Run("release by a former holder", func(t *testing.T) { t.Parallel(); lateRelease(t, one, two) })
	t.Run("release of an earlier lease", func(t *testing.T) { t.Parallel(); earlierRelease(t, one, two) })
	t.Run("a second request does not extend a lease", func(t *testing.T) { t.Parallel(); askedLease(t, one, two) })
	t.Run("many leases", func(t *testing.T) { manyLeases(t, one, two) })
	t.Run("keys are exact", func(t *testing.T) { leaseExact(t, one) })
	t.Run("release after the request", func(t *testing.T) { releaseLater(t, one, two) })
	t.Run("ended context", func(t *testing.T) { leaseEnded(t, one) })
	t.Run("race", func(t *testing.T) { leaseRace(t, one, two) })
	t.Run("exact time", func(t *testing.T) {
		t.Parallel()
		k := key("exact")
		exactTime(t, timed{
			add:    func(until time.Time) error { _, _, err := one.Acquire(t.Context(), k, time.Until(until)); return err },
			exists: func() (bool, error) { _, held, err := two.Acquire(t.Context(), k, time.Minute); return !held, err },
		})
	})
}

// leaseExact: the lease on one key is not that on another.
func leaseExact(t *testing.T, s Leases) {
	k := key("Exact")
	acquire(t, s, k, time.Minute, true)
	for _, other := range similar(k) {
		acquire(t, s, other, time.Minute, true)()
	}
	acquire(t, s, k, time.Minute, false)
	long := longKey()
	acquire(t, s, long, time.Minute, true)
	acquire(t, s, long[:199]+"-", time.Minute, true)
}

// releaseLater: the lease ends early also when the request that took it has ended.
func releaseLater(t *testing.T, one, two Leases) {
	k := key("later")
	ctx, cancel := context.WithCancel(t.Context())
	release, held, err := one.Acquire(ctx, k, time.Minute)
	cancel()
	if err != nil || !held {
		t.Fatalf("Acquire returned %v, %v", held, err)
	}
	acquire(t, two, k, time.Minute, false)
	release()
	acquire(t, two, k, time.Minute, true)()
}

func leaseEnded(t *testing.T, s Leases) {
	release, held, err := s.Acquire(ended(t), key("ended"), time.Minute)
	wantEnded(t, "Acquire", err)
	if held && err != nil {
		t.Errorf("Acquire returned true and the error %v", err)
	}
	if release == nil {
		t.Error("Acquire returned a nil release function")
	}
}

func acquire(t *testing.T, s Leases, key string, d time.Duration, want bool) (release func()) {
	t.Helper()
	release, held, err := s.Acquire(t.Context(), key, d)
	if release == nil {
		t.Fatal("Acquire returned a nil release function")
	}
	if err != nil || held != want {
		t.Errorf("Acquire returned %v, %v; expected %v", held, err, want)
	}
	return release
}

func oneHolder(t *testing.T, one, two Leases) {
	k := key("lease")
	release := acquire(t, one, k, time.Minute, true)
	acquire(t, one, k, time.Minute, false)() // releasing what is not held changes nothing
	acquire(t, two, k, time.Minute, false)()
	acquire(t, two, key("another"), time.Minute, true)()
	acquire(t, two, k, time.Minute, false)
	release()
	release() // a second call is allowed
	acquire(t, two, k, time.Minute, true)()
	acquire(t, one, k, time.Minute, true)()
}

func leaseExpires(t *testing.T, one, two Leases) {
	k := key("lease")
	acquire(t, one, k, short, true)
	eventually(t, "the lease ends", func() bool { _, held, err := two.Acquire(t.Context(), k, time.Minute); return held && err == nil })
}

// lateRelease: who was too slow must not end the lease of the next holder.
func lateRelease(t *testing.T, one, two Leases) {
	k := key("lease")
	release := acquire(t, one, k, short, true)
	eventually(t, "the lease ends", func() bool { _, held, err := two.Acquire(t.Context(), k, time.Minute); return held && err == nil })
	release()
	acquire(t, one, k, time.Minute, false)
}

// earlierRelease: the process that was too slow has the lease again by now, in another request.
func earlierRelease(t *testing.T, one, two Leases) {
	k := key("lease")
	release := acquire(t, one, k, short, true)
	var second func()
	eventually(t, "the lease ends", func() bool {
		again, held, err := one.Acquire(t.Context(), k, time.Minute)
		second = again
		return held && err == nil
	})
	release()
	acquire(t, two, k, time.Minute, false)
	second()
	acquire(t, two, k, time.Minute, true)
}

// askedLease: a lease does not last longer when another caller requests it. Otherwise a caller that
// repeats the request would wait for ever.
func askedLease(t *testing.T, one, two Leases) {
	k := key("asked")
	acquire(t, one, k, short, true)
	eventually(t, "the lease ends", func() bool {
		_, held, err := two.Acquire(t.Context(), k, 2*short)
		return held && err == nil
	})
}

// manyLeases: a process may have many leases at a time, and a new lease does not end another lease.
func manyLeases(t *testing.T, one, two Leases) {
	prefix := key("lease")
	for i := range 100 {
		acquire(t, one, fmt.Sprint(prefix, i), time.Minute, true)
	}
	for i := range 100 {
		acquire(t, two, fmt.Sprint(prefix, i), time.Minute, false)
	}
}

// leaseRace: of many callers at the same time exactly one holds the lease.
func leaseRace(t *testing.T, one, two Leases) {
	k := key("race")
	for range 10 {
		var holders atomic.Int32
		var group sync.WaitGroup
		releases := make(chan func(), 16)
		for i := range 16 {
			s := []Leases{one, two}[i%2]
			group.Go(func() {
				release, held, err := s.Acquire(t.Context(), k, time.Minute)
				if err != nil {
					t.Errorf("Acquire: %v", err)
				}
				if held {
					holders.Add(1)
					releases <- release
				}
			})
		}
		group.Wait()
		if n := holders.Load(); n != 1 {
			t.Errorf("%d of 16 callers hold the lease, expected 1", n)
		}
		close(releases)
		for release := range releases {
			release()
		}
	}
}
