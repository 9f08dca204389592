package rs

import (
	"hash/maphash"
	"math"
	"math/bits"
	"sync"
	"sync/atomic"
)

// always is the value of the field before in an entry without a time.
const always = math.MaxInt64

// revocationTable is a hash table. Readers take no lock, because every request reads it. Writers
// take mu. The key of an entry is a 64-bit hash under a secret seed of this process. With a million
// entries, one token in 10^13 is rejected by mistake, and an attacker cannot choose which. The zero
// value is ready.
type revocationTable struct {
	mu      sync.Mutex // of writers
	once    sync.Once
	seed    maphash.Seed
	entries atomic.Pointer[revocationEntries]
	used    int // slots that hold an entry, expired or not
}

// revocationEntries are the slots and a filter. The filter says for most keys that there is no
// entry. It fits into the processor's cache; the slots do not.
type revocationEntries struct {
	slots  []revocationSlot
	filter []atomic.Uint64 // 8 bits per slot
}

func newRevocationEntries(length int) *revocationEntries {
	return &revocationEntries{make([]revocationSlot, length), make([]atomic.Uint64, length/8)}
}

// bit returns the position of a key in the filter.
func (e *revocationEntries) bit(key uint64) (word *atomic.Uint64, mask uint64) {
	return &e.filter[(key>>32)&uint64(len(e.filter)-1)], 1 << (key >> 26 & 63)
}

func (e *revocationEntries) mayHave(key uint64) bool {
	word, mask := e.bit(key)
	return word.Load()&mask != 0
}

// add writes an entry into an empty slot.
func (e *revocationEntries) add(key uint64, before, until int64) {
	s := findSlot(e.slots, key)
	s.before.Store(before)
	s.until.Store(until)
	s.key.Store(key)
	word, mask := e.bit(key)
	word.Or(mask)
}

// revocationSlot is an entry. key is written last and never changes. The times only grow, so
// each can be read on its own.
type revocationSlot struct {
	key           atomic.Uint64 // 0 for an empty slot
	before, until atomic.Int64
}

// maxLoad is how many of four slots may be used.
const maxLoad = 3

// hash returns the hash of a string under the seed.
func (t *revocationTable) hash(text string) uint64 {
	t.once.Do(func() { t.seed = maphash.MakeSeed() })
	return maphash.String(t.seed, text)
}

// key returns the key of an entry: a hash of its kind, issuer and name.
func (t *revocationTable) key(kind revocationKind, issuer uint64, name string) uint64 {
	high, low := bits.Mul64(issuer^kindSalt[kind], t.hash(name)^nameSalt)
	return max(high^low, 1)
}

// Random odd numbers that separate entries of different kinds.
var kindSalt = [...]uint64{
	0x9e3779b97f4a7c15, 0xbf58476d1ce4e5b9, 0x94d049bb133111eb, 0xd6e8feb86659fd93, 0xa0761d6478bd642f, 0xe7037ed1a0b428db,
}

const nameSalt = 0x8ebc6af09c88c6e3

// get returns the times of an entry. until is 0 without an entry.
func (t *revocationTable) get(key uint64) (before, until int64) {
	entries := t.entries.Load()
	if entries == nil || !entries.mayHave(key) {
		return 0, 0
	}
	s := findSlot(entries.slots, key)
	if s.key.Load() != key {
		return 0, 0
	}
	return s.before.Load(), s.until.Load()
}

// findSlot returns the slot of key, or the empty slot for it. There is always an empty slot.
func findSlot(slots []revocationSlot, key uint64) *revocationSlot {
	mask := uint64(len(slots) - 1)
	for i := key & mask; ; i = (i + 1) & mask {
		if k := slots[i].key.Load(); k == key || k == 0 {
			return &slots[i]
		}
	}
}

// put adds an entry, or extends an existing one. ok is false if size entries have not expired.
// news is true if something changed.
func (t *revocationTable) put(key uint64, before, until int64, size int, now int64) (news, ok bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if entries := t.entries.Load(); entries != nil {
		if s := findSlot(entries.slots, key); s.key.Load() == key {
			return s.extend(before, until), true
		}
	}
	if !t.makeRoom(size, now) {
		return false, false
	}
	t.entries.Load().add(key, before, until)
	t.used++
	return true, true
}

// extend keeps the later of each time.
func (s *revocationSlot) extend(before, until int64) (news bool) {
	news = before > s.before.Load() || until > s.until.Load()
	s.before.Store(max(s.before.Load(), before))
	s.until.Store(max(s.until.Load(), until))
	return news
}

// makeRoom copies the entries that have not expired into a new table, if the slots or the size
// are used up.
func (t *revocationTable) makeRoom(size int, now int64) bool {
	entries := t.entries.Load()
	if entries != nil && t.used < size && (t.used+1)*4 <= len(entries.slots)*maxLoad {
		return true
	}
	live := 0
	if entries != nil {
		live = countLive(entries.slots, now)
	}
	if live >= size {
		return false
	}
	t.rebuild(entries, live, now)
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
func (t *revocationTable) rebuild(old *revocationEntries, live int, now int64) {
	length := 64
	for length*maxLoad < (live+live/2+1)*4 {
		length *= 2
	}
	next := newRevocationEntries(length)
	if old != nil {
		for i := range old.slots {
			from := &old.slots[i]
			if key := from.key.Load(); key != 0 && now < from.until.Load() {
				next.add(key, from.before.Load(), from.until.Load())
			}
		}
	}
	t.used = live
	t.entries.Store(next)
}
