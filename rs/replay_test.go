package rs

import (
	"encoding/binary"
	"testing"
	"time"
)

// TestReplayMemory: a proof is remembered until it expires. A full memory rejects new proofs
// instead of forgetting old ones. RS-11.
func TestReplayMemory(t *testing.T) {
	var m memoryReplay
	at := time.Unix(1_800_000_000, 0)
	id := func(n int) (p proofID) {
		binary.BigEndian.PutUint64(p[:], uint64(n))
		return p
	}
	use := func(n int, want bool) {
		t.Helper()
		if isNew, err := m.use(id(n), at.Add(time.Minute), at); err != nil || isNew != want {
			t.Errorf("%d at %v: %v, %v", n, at, isNew, err)
		}
	}
	use(1, true)
	for range 12 { // others come and go in between
		use(1, false)
		use(1000+int(at.Unix()), true)
		at = at.Add(4999 * time.Millisecond)
	}
	for i := range 1000 {
		at = at.Add(time.Second)
		use(10_000+i, true)
	}
	if n := len(m.young.keys) + len(m.old.keys); n > 200 {
		t.Errorf("%d remembered", n)
	}
	use(1, true)
	for i := 0; len(m.young.keys)+len(m.old.keys) < maxReplay; i++ {
		if isNew, err := m.use(id(1_000_000+i), at.Add(time.Minute), at); err != nil || !isNew {
			t.Fatalf("%d: %v, %v", i, isNew, err)
		}
	}
	if _, err := m.use(id(9), at.Add(time.Minute), at); err == nil {
		t.Error("a full memory takes one more")
	}
	use(1_000_000, false)
	at = at.Add(3 * time.Minute)
	use(9, true)
}
