package idtoken

import (
	"fmt"
	"testing"
	"time"
)

// TestMemoryReplay: used tokens are remembered until they expire. If there is no room, new ones
// are rejected.
func TestMemoryReplay(t *testing.T) {
	var seen memoryReplay
	now := time.Now()
	once := func(key string, at time.Time) (bool, error) {
		return inMemory{&seen, at}.Once(t.Context(), key, at.Add(time.Minute))
	}
	if first, err := once("a", now); !first || err != nil {
		t.Error(first, err)
	}
	if first, _ := once("a", now.Add(59*time.Second)); first {
		t.Error("taken twice")
	}
	if first, _ := once("a", now.Add(time.Minute)); !first {
		t.Error("remembered for ever")
	}
	for i := range maxSeen {
		once(fmt.Sprint(i), now)
	}
	if first, err := once("one more", now); first || err == nil {
		t.Error("taken without room to remember it")
	}
	if first, err := once("one more", now.Add(3*time.Minute)); !first || err != nil || len(seen.until) > 1 {
		t.Errorf("%v, %v, %d remembered", first, err, len(seen.until))
	}
}
