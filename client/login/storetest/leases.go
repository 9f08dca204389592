package storetest

import (
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

func testLeases(t *testing.T, open func() Leases) {
	one, two := open(), open()
	t.Run("one holder", func(t *testing.T) { oneHolder(t, one, two) })
	t.Run("expired", func(t *testing.T) { leaseExpires(t, one, two) })
	t.Run("release by a former holder", func(t *testing.T) { lateRelease(t, one, two) })
	t.Run("race", func(t *testing.T) { leaseRace(t, one, two) })
}

func acquire(t *testing.T, s Leases, key string, d time.Duration, want bool) (release func()) {
	t.Helper()
	release, held, err := s.Acquire(t.Context(), key, d)
	if release == nil {
		t.Fatal("Acquire gave a nil release function")
	}
	if err != nil || held != want {
		t.Errorf("Acquire gave %v, %v; expected %v", held, err, want)
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
	release() // once more is allowed
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
