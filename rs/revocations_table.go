package rs

import (
	"encoding/binary"
	"hash/maphash"
	"math"
	"sync"
	"sync/atomic"
)

// always is the instant of an entry that has none.
const always = math.MaxInt64

// revocationTable is a hash table that is read without a lock: on every request. Writers take turns. Entries
// are known by a hash of 64 bits under a secret seed of this process: of a million entries, one token in 10^13
// is rejected by mistake, and nobody can choose which. The zero value is ready.
type revocationTable struct {
	mu    sync.Mutex // of writers
	once  sync.Once
	seed  maphash.Seed
	slots atomic.Pointer[[]revocationSlot]
	used  int // slots that hold an entry, expired or not
}

// revocationSlot is an entry. key is written last, and not changed then. The times only ever grow, so that
// each may be read by itself.
type revocationSlot struct {
	key           atomic.Uint64 // 0 for an empty slot
	before, until atomic.Int64
}

// maxLoad is how many of four slots may be used.
const maxLoad = 3

// key hashes what an entry goes by. The length of issuer keeps issuer and name apart.
func (t *revocationTable) key(kind revocationKind, issuer, name string) uint64 {
	t.once.Do(func() { t.seed = maphash.MakeSeed() })
	var buf [256]byte
	b := append(buf[:0], byte(kind))
	b = binary.AppendUvarint(b, uint64(len(issuer)))
	b = append(b, issuer...)
	b = append(b, name...)
	return max(maphash.Bytes(t.seed, b), 1)
}

// get gives the times of an entry; until is 0 if there is none.
func (t *revocationTable) get(key uint64) (before, until int64) {
	slots := t.slots.Load()
	if slots == nil {
		return 0, 0
	}
	s := findSlot(*slots, key)
	if s.key.Load() != key {
		return 0, 0
	}
	return s.before.Load(), s.until.Load()
}

// findSlot gives the slot of key, or the empty one where it would be. There always is an empty one.
func findSlot(slots []revocationSlot, key uint64) *revocationSlot {
	mask := uint64(len(slots) - 1)
	for i := key & mask; ; i = (i + 1) & mask {
		if k := slots[i].key.Load(); k == key || k == 0 {
			return &slots[i]
		}
	}
}

// put adds an entry, or makes one that is there last longer. ok is false when size entries are there that have
// not expired; news tells whether anything has changed.
func (t *revocationTable) put(key uint64, before, until int64, size int, now int64) (news, ok bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if slots := t.slots.Load(); slots != nil {
		if s := findSlot(*slots, key); s.key.Load() == key {
			return s.extend(before, until), true
		}
	}
	if !t.makeRoom(size, now) {
		return false, false
	}
	s := findSlot(*t.slots.Load(), key)
	s.before.Store(before)
	s.until.Store(until)
	s.key.Store(key)
	t.used++
	return true, true
}

// extend keeps the later of the times.
func (s *revocationSlot) extend(before, until int64) (news bool) {
	news = before > s.before.Load() || until > s.until.Load()
	s.before.Store(max(s.before.Load(), before))
	s.until.Store(max(s.until.Load(), until))
	return news
}

// makeRoom drops what has expired, into a new table, when the slots or the size are used up.
func (t *revocationTable) makeRoom(size int, now int64) bool {
	slots := t.slots.Load()
	if slots != nil && t.used < size && (t.used+1)*4 <= len(*slots)*maxLoad {
		return true
	}
	live := 0
	if slots != nil {
		live = countLive(*slots, now)
	}
	if live >= size {
		return false
	}
	t.rebuild(slots, live, now)
	return true
}

func countLive(slots []revocationSlot, now int64) (n int) {
	for i := range slots {
		if slots[i].key.Load() != 0 && now < slots[i].until.Load() {
			n++
		}
	}
	return n
}

// rebuild makes a table with room for half as many entries again.
func (t *revocationTable) rebuild(old *[]revocationSlot, live int, now int64) {
	length := 64
	for length*maxLoad < (live+live/2+1)*4 {
		length *= 2
	}
	slots := make([]revocationSlot, length)
	if old != nil {
		for i := range *old {
			from := &(*old)[i]
			if key := from.key.Load(); key != 0 && now < from.until.Load() {
				to := findSlot(slots, key)
				to.before.Store(from.before.Load())
				to.until.Store(from.until.Load())
				to.key.Store(key)
			}
		}
	}
	t.used = live
	t.slots.Store(&slots)
}
