package rs

import (
	"errors"
	"sync"
	"time"
)

// maxReplay limits the memory for proofs to about 80 MB. With the default window this allows
// 5,000 new proofs per second.
const maxReplay = 1 << 21

var errReplayFull = errors.New("the memory for used DPoP proofs is full: set DPoP.Replay to a shared store")

// memoryReplay remembers used proofs in two generations. When the last entry of the older one
// has expired, the whole generation is dropped. The zero value is ready. When it is full, every
// new proof is rejected: a forgotten proof could be replayed.
type memoryReplay struct {
	mu         sync.Mutex
	young, old generation
}

// proofID is the first half of a SHA-256 hash. It is not feasible to find two proofs with the same
// proofID.
type proofID [16]byte

type generation struct {
	keys  map[proofID]struct{}
	until time.Time // when the last entry expires
}

func (g *generation) has(key proofID) bool {
	_, ok := g.keys[key]
	return ok
}

func (m *memoryReplay) use(key proofID, until, now time.Time) (isNew bool, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if !now.Before(m.old.until) {
		m.old, m.young = m.young, generation{keys: map[proofID]struct{}{}}
	}
	if m.young.has(key) || m.old.has(key) {
		return false, nil
	}
	if len(m.young.keys)+len(m.old.keys) >= maxReplay {
		return false, errReplayFull
	}
	m.young.keys[key] = struct{}{}
	if until.After(m.young.until) {
		m.young.until = until
	}
	return true, nil
}
