package rs

import (
	"context"
	"maps"
	"sync"
	"sync/atomic"
	"time"
)

// entry is what is remembered of a token.
type entry struct {
	principal *Principal // nil for one that is not active
	since     time.Time  // before it, the clock has been set back
	until     time.Time
}

// copy is what one request may change without another's seeing it.
func (p *Principal) copy() *Principal {
	out := *p
	return &out
}

func (e entry) isYoung(at time.Time) bool { return !at.Before(e.since) && at.Before(e.until) }

// isGood looks at exp too, and for the key of a JWT among the issuer's current ones.
func (e entry) isGood(ctx context.Context, at time.Time) (bool, error) {
	p := e.principal
	if !e.isYoung(at) || !p.Expiry.IsZero() && !at.Before(p.Expiry) {
		return false, nil
	}
	if p.origin.key == nil {
		return true, nil
	}
	return p.origin.keys.Holds(ctx, p.origin.key)
}

// shardCount keeps cores out of each other's way.
const shardCount = 16

// memory is a map that forgets: in each shard, when the younger generation has half of
// the size, it becomes the older one, and the older one is dropped. What is read of the
// older one comes to the younger. The zero value is ready, for a size that its callers
// name and do not change.
type memory struct {
	removals atomic.Uint64 // how often something was removed on request
	shards   [shardCount]shard
}

type shard struct {
	mu         sync.Mutex
	young, old map[tokenKey]entry
	_          [64]byte // a cache line apart from the next
}

// shard gives the key's, and how many entries a generation of it may have.
func (m *memory) shard(key tokenKey, size int) (*shard, int) {
	n := max(1, min(shardCount, size/64))
	return &m.shards[int(key[0])%n], max(1, size/n/2)
}

func (m *memory) get(key tokenKey, size int) (entry, bool) {
	s, limit := m.shard(key, size)
	s.mu.Lock()
	defer s.mu.Unlock()
	if e, ok := s.young[key]; ok {
		return e, true
	}
	e, ok := s.old[key]
	if ok {
		delete(s.old, key)
		s.add(key, e, limit)
	}
	return e, ok
}

// put remembers e, unless something was removed since the caller learned of it.
func (m *memory) put(key tokenKey, e entry, size int, removals uint64) {
	s, limit := m.shard(key, size)
	s.mu.Lock()
	defer s.mu.Unlock()
	if m.removals.Load() == removals {
		s.add(key, e, limit)
	}
}

func (s *shard) add(key tokenKey, e entry, limit int) {
	if s.young == nil || len(s.young) >= limit {
		s.old, s.young = s.young, make(map[tokenKey]entry)
	}
	s.young[key] = e
}

func (m *memory) remove(key tokenKey, size int) {
	s, _ := m.shard(key, size)
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.young, key)
	delete(s.old, key)
}

func (m *memory) removeIf(match func(*Principal) bool) {
	forget := func(_ tokenKey, e entry) bool { return match(e.principal) }
	for i := range m.shards {
		s := &m.shards[i]
		s.mu.Lock()
		maps.DeleteFunc(s.young, forget)
		maps.DeleteFunc(s.old, forget)
		s.mu.Unlock()
	}
}
