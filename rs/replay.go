package rs

import (
	"errors"
	"sync"
	"time"
)

// maxReplay bounds the memory of proofs to about 80 MB. With the default window that is
// enough for 5,000 new proofs a second.
const maxReplay = 1 << 21

var errReplayFull = errors.New("too many proofs to remember")

// memoryReplay keeps what was used in two generations: when the last entry of the
// older one has expired, all of it is dropped. The zero value is ready. When it is full
// nobody gets in: to forget a proof would be to take it again.
type memoryReplay struct {
	mu         sync.Mutex
	young, old generation
}

// proofID is half a SHA-256: nobody finds two proofs of one.
type proofID [16]byte

type generation struct {
	keys  map[proofID]struct{}
	until time.Time // the last entry's
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
