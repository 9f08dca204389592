package rs

import (
	"context"
	"encoding/binary"
	"math/bits"
	"sync"
	"sync/atomic"
	"time"
)

// A hit of a [Cache] locks nothing and writes nothing that another core reads. It reads these
// locations, all of which are written only at the times named:
//
//   - the fields of Protection, Cache and JWT: never, after the first request
//   - memory.young, memory.old: when a generation is full
//   - tokenTable.slots: never; one slot and its nodes: when a token with the same slot is
//     remembered or removed
//   - the entry's Principal: never; the hit copies it
//   - discovery's current key set, by an atomic pointer: when it is fetched
//
// What it writes belongs to one core: the copy of the Principal, the request's context, and the
// hasher, which sync.Pool keeps per core. A Counter is the application's. One hit per token and
// generation is the exception: an entry of the older generation moves to the younger, under the
// lock. So a hit costs the same on 64 cores as on one.

// entry is what is remembered of a token.
type entry struct {
	principal *Principal // nil for an inactive token
	since     time.Time  // an earlier time means that the clock was set back
	until     time.Time
}

// copy returns a copy for one request, so that its changes stay in this request.
func (p *Principal) copy() *Principal {
	out := *p
	return &out
}

func (e entry) isYoung(at time.Time) bool { return !at.Before(e.since) && at.Before(e.until) }

// isGood also checks exp, and that the issuer's key set still contains the key of a JWT.
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

// memory is a map of limited size. When the younger generation has half of the size, it becomes
// the older one, and the older one is dropped. Readers take no lock; writers take mu. The zero
// value is ready. All calls must pass the same size.
type memory struct {
	_          [64]byte // keeps the fields on a separate cache line
	young, old atomic.Pointer[tokenTable]
	removals   atomic.Uint64 // how often something was removed on request
	_          [64]byte
	mu         sync.Mutex
	_          [64]byte
}

// tokenTable is one generation: a hash table with immutable lists. A writer replaces a whole
// list.
type tokenTable struct {
	slots []atomic.Pointer[node]
	count int // under memory.mu
}

type node struct {
	key   tokenKey
	entry entry
	next  *node
}

func newTable(limit int) *tokenTable {
	return &tokenTable{slots: make([]atomic.Pointer[node], 1<<bits.Len(uint(limit-1)))}
}

// slot is chosen by the key. The key is a keyed hash, so an attacker cannot choose tokens that
// share a slot.
func (g *tokenTable) slot(key *tokenKey) *atomic.Pointer[node] {
	return &g.slots[binary.LittleEndian.Uint64(key[:])&uint64(len(g.slots)-1)]
}

func (g *tokenTable) find(key *tokenKey) *node {
	if g == nil {
		return nil
	}
	n := g.slot(key).Load()
	for n != nil && n.key != *key {
		n = n.next
	}
	return n
}

func (m *memory) get(key tokenKey, size int) (entry, bool) {
	if n := m.young.Load().find(&key); n != nil {
		return n.entry, true
	}
	if m.old.Load().find(&key) == nil {
		return entry{}, false
	}
	return m.move(key, size)
}

// move moves an entry from the older generation to the younger one, unless it was removed before.
func (m *memory) move(key tokenKey, size int) (entry, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if n := m.young.Load().find(&key); n != nil { // another reader was faster
		return n.entry, true
	}
	n := m.old.Load().find(&key)
	if n == nil {
		return entry{}, false
	}
	m.old.Load().remove(&key)
	m.add(key, n.entry, size)
	return n.entry, true
}

// put stores e, unless something was removed since the caller read removals.
func (m *memory) put(key tokenKey, e entry, size int, removals uint64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.removals.Load() == removals {
		m.add(key, e, size)
	}
}

// add must be called with mu held.
func (m *memory) add(key tokenKey, e entry, size int) {
	limit := max(1, size/2)
	g := m.young.Load()
	if g == nil || g.count >= limit {
		m.old.Store(g)
		g = newTable(limit)
		m.young.Store(g)
	}
	g.remove(&key)
	slot := g.slot(&key)
	slot.Store(&node{key, e, slot.Load()})
	g.count++
}

func (m *memory) remove(key tokenKey) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.young.Load().remove(&key)
	m.old.Load().remove(&key)
}

// remove must be called with mu held.
func (g *tokenTable) remove(key *tokenKey) {
	if g.find(key) != nil {
		g.keep(g.slot(key), func(n *node) bool { return n.key != *key })
	}
}

// keep replaces the list of a slot with the nodes for which wanted returns true.
func (g *tokenTable) keep(slot *atomic.Pointer[node], wanted func(*node) bool) {
	var kept *node
	for n := slot.Load(); n != nil; n = n.next {
		if wanted(n) {
			kept = &node{n.key, n.entry, kept}
		} else {
			g.count--
		}
	}
	slot.Store(kept)
}

func (m *memory) removeIf(match func(*Principal) bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, g := range []*tokenTable{m.young.Load(), m.old.Load()} {
		if g == nil {
			continue
		}
		for i := range g.slots {
			if g.slots[i].Load() != nil {
				g.keep(&g.slots[i], func(n *node) bool { return !match(n.entry.principal) })
			}
		}
	}
}
