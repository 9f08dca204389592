package tokens

import (
	"context"
	"errors"
	"sync"
	"time"
)

// Store stores the tokens of logins for all processes. The values contain secrets. [FileStore],
// login.Memory, redisstore.Store and sqlstore.Store implement it.
type Store interface {
	// Load returns the value last saved under key, or nil if nothing is stored.
	Load(ctx context.Context, key string) ([]byte, error)

	// Save stores value under key until the given time, and replaces an earlier value.
	Save(ctx context.Context, key string, value []byte, until time.Time) error

	// Delete removes the value of key. A missing key is not an error.
	Delete(ctx context.Context, key string) error
}

const maxKept = 100_000

// memoryStore is the Store of one process. The zero value is ready to use.
type memoryStore struct {
	now func() time.Time

	mu   sync.Mutex
	kept map[string]keptValue
}

type keptValue struct {
	value []byte
	until time.Time
}

func (m *memoryStore) Load(_ context.Context, key string) ([]byte, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	v, ok := m.kept[key]
	if !ok || !m.now().Before(v.until) {
		return nil, nil
	}
	return v.value, nil
}

var errStoreFull = errors.New("the memory for tokens is full: set Refresher.Store")

// Save rejects a new value if the memory is full of unexpired values.
func (m *memoryStore) Save(_ context.Context, key string, value []byte, until time.Time) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if _, known := m.kept[key]; !known && len(m.kept) >= maxKept {
		m.forget()
		if len(m.kept) >= maxKept {
			return errStoreFull
		}
	}
	if m.kept == nil {
		m.kept = map[string]keptValue{}
	}
	m.kept[key] = keptValue{value, until}
	return nil
}

func (m *memoryStore) forget() {
	now := m.now()
	for key, v := range m.kept {
		if !now.Before(v.until) {
			delete(m.kept, key)
		}
	}
}

func (m *memoryStore) Delete(_ context.Context, key string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.kept, key)
	return nil
}
