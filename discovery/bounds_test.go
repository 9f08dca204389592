package discovery

import (
	"fmt"
	"testing"
	"time"
)

// TestUnknownIDs: the number of remembered unknown IDs is limited, and each expires.
func TestUnknownIDs(t *testing.T) {
	var u unknownIDs
	now := time.Now()
	for i := range 5000 {
		u.add(fmt.Sprint(i), now)
	}
	if len(u.until) > unknownMax || !u.has("4999", now) || u.has("never", now) {
		t.Errorf("%d are remembered", len(u.until))
	}
	if u.has("4999", now.Add(unknownMemory)) || u.has("4999", now.Add(-time.Hour)) {
		t.Error("remembered beyond its time, or by a clock that was put back")
	}
}

// TestBudget: three fetches at once, one more every 30 seconds, and at most three saved up.
func TestBudget(t *testing.T) {
	var b budget
	now := time.Now()
	take := func(at time.Duration) int {
		n := 0
		for b.take(now.Add(at)) {
			n++
		}
		return n
	}
	for _, step := range []struct {
		at   time.Duration
		want int
	}{{0, 3}, {29 * time.Second, 0}, {30 * time.Second, 1}, {89 * time.Second, 1}, {time.Hour, 3}, {30 * time.Minute, 0}, {30*time.Minute + 30*time.Second, 1}} {
		if got := take(step.at); got != step.want {
			t.Errorf("at %v: %d, want %d", step.at, got, step.want)
		}
	}
}
