package login

import (
	"container/list"
	"context"
	"errors"
	"maps"
	"slices"
	"sync"
	"time"
)

// Memory is a Store in the memory of this process. The zero value is ready to use. It must not be
// copied after its first use. A call whose context has ended returns its error, as that of a store
// on another machine does. It is safe for concurrent use.
type Memory struct {
	// MaxEntries is the maximum number of values, links and keys used once, together. 0 means 200,000.
	// A session needs at most four. An unexpired value, link or lease is never dropped. If the memory
	// is full, a new one is rejected. Keys used once have at most half of the limit. If that is full,
	// a new key replaces the oldest, because anonymous clients can start logins without finishing
	// them.
	MaxEntries int

	// Now is the clock. nil means time.Now.
	Now func() time.Time

	mu      sync.Mutex
	entries map[string]entry
	sets    map[string]map[string]time.Time // expiry times, by index and key
	links   int
	onces   list.List // the keys used once, oldest first
	swept   time.Time
	serial  uint64
}

type entry struct {
	value  []byte
	until  time.Time
	serial uint64        // the number of a lease's holder
	once   *list.Element // the element of onces, for a key used once
}

const maxEntries = 200_000

var errFull = errors.New("login: the memory is full of entries that have not expired: increase Memory.MaxEntries")

// errOver says that the key could not be remembered, so no call counts as the first.
var errOver = errors.New("login: the expiry time of the key has passed")

// Entries of different kinds never share a key.
const (
	kindValue = "value:"
	kindOnce  = "once:"
	kindLease = "lease:"
)

// Load implements Values. It returns an error only if ctx has ended.
func (m *Memory) Load(ctx context.Context, key string) ([]byte, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if e, ok := m.live(kindValue + key); ok {
		return slices.Clone(e.value), nil
	}
	return nil, nil
}

// Save implements Values. It returns an error if the memory is full or ctx has ended.
func (m *Memory) Save(ctx context.Context, key string, value []byte, until time.Time) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.put(kindValue+key, entry{value: append([]byte{}, value...), until: until})
}

// Delete implements Values. It returns an error only if ctx has ended.
func (m *Memory) Delete(ctx context.Context, key string) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.entries, kindValue+key)
	return nil
}

// Once implements idtoken.Replay. It returns an error if until has passed or ctx has ended.
func (m *Memory) Once(ctx context.Context, key string, until time.Time) (bool, error) {
	if err := ctx.Err(); err != nil {
		return false, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if _, used := m.live(kindOnce + key); used {
		return false, nil
	}
	if !until.After(m.now()) {
		return false, errOver
	}
	m.forgetOnce(kindOnce + key) // the earlier entry, which has expired
	m.roomForOnce()
	if err := m.put(kindOnce+key, entry{until: until}); err != nil {
		return false, err
	}
	e := m.entries[kindOnce+key]
	e.once = m.onces.PushBack(kindOnce + key)
	m.entries[kindOnce+key] = e
	return true, nil
}

// roomForOnce removes the expired keys used once, and the oldest if there are too many.
func (m *Memory) roomForOnce() {
	for oldest := m.onces.Front(); oldest != nil; oldest = m.onces.Front() {
		key := oldest.Value.(string)
		if full := m.onces.Len() >= (m.most()+1)/2 || m.isFull(); !full && m.entries[key].until.After(m.now()) {
			return
		}
		m.forgetOnce(key)
	}
}

func (m *Memory) forgetOnce(key string) {
	if e, there := m.entries[key]; there {
		m.onces.Remove(e.once)
		delete(m.entries, key)
	}
}

// Acquire implements tokens.Leases. It returns an error if the memory is full or ctx has ended.
func (m *Memory) Acquire(ctx context.Context, key string, d time.Duration) (release func(), held bool, err error) {
	if err := ctx.Err(); err != nil {
		return func() {}, false, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if _, taken := m.live(kindLease + key); taken {
		return func() {}, false, nil
	}
	m.serial++
	mine := m.serial
	if err := m.put(kindLease+key, entry{until: m.now().Add(d), serial: mine}); err != nil {
		return func() {}, false, err
	}
	return func() { m.release(kindLease+key, mine) }, true, nil
}

func (m *Memory) release(key string, serial uint64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.entries[key].serial == serial {
		delete(m.entries, key)
	}
}

// Link implements Index. If key is already in index, the later time counts. If the time has passed,
// nothing is added. It returns an error if the memory is full or ctx has ended.
func (m *Memory) Link(ctx context.Context, index, key string, until time.Time) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if !until.After(m.now()) {
		return nil
	}
	if !m.makeRoom() {
		return errFull
	}
	if m.sets == nil {
		m.sets = map[string]map[string]time.Time{}
	}
	if m.sets[index] == nil {
		m.sets[index] = map[string]time.Time{}
	}
	old, known := m.sets[index][key]
	if !known {
		m.links++
	}
	if until.After(old) {
		m.sets[index][key] = until
	}
	return nil
}

// Linked implements Index. It returns an error only if ctx has ended.
func (m *Memory) Linked(ctx context.Context, index string) ([]string, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.sweepSet(index)
	return slices.Collect(maps.Keys(m.sets[index])), nil
}

// Unlink implements Index. It returns an error only if ctx has ended.
func (m *Memory) Unlink(ctx context.Context, index, key string) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if _, known := m.sets[index][key]; known {
		m.unlink(index, key)
	}
	return nil
}

func (m *Memory) unlink(index, key string) {
	delete(m.sets[index], key)
	m.links--
	if len(m.sets[index]) == 0 {
		delete(m.sets, index)
	}
}

func (m *Memory) live(key string) (entry, bool) {
	e, ok := m.entries[key]
	return e, ok && e.until.After(m.now())
}

func (m *Memory) put(key string, e entry) error {
	if _, there := m.entries[key]; !there && !m.makeRoom() {
		return errFull
	}
	if m.entries == nil {
		m.entries = map[string]entry{}
	}
	m.entries[key] = e
	return nil
}

// makeRoom reports whether there is room for one more entry. Expired entries are removed every
// minute, and every second while there is no room. Then the oldest key used once makes room.
func (m *Memory) makeRoom() bool {
	full, since := m.isFull(), m.now().Sub(m.swept)
	if since > time.Minute || since < 0 || full && since > time.Second {
		m.sweep()
	}
	if oldest := m.onces.Front(); oldest != nil && m.isFull() {
		m.forgetOnce(oldest.Value.(string))
	}
	return !m.isFull()
}

func (m *Memory) isFull() bool { return len(m.entries)+m.links >= m.most() }

func (m *Memory) most() int {
	if m.MaxEntries <= 0 {
		return maxEntries
	}
	return m.MaxEntries
}

func (m *Memory) sweep() {
	m.swept = m.now()
	for key, e := range m.entries {
		if e.until.After(m.swept) {
			continue
		}
		if delete(m.entries, key); e.once != nil {
			m.onces.Remove(e.once)
		}
	}
	for index := range m.sets {
		m.sweepSet(index)
	}
}

func (m *Memory) sweepSet(index string) {
	for key, until := range m.sets[index] {
		if !until.After(m.now()) {
			m.unlink(index, key)
		}
	}
}

func (m *Memory) now() time.Time {
	if m.Now == nil {
		return time.Now()
	}
	return m.Now()
}
