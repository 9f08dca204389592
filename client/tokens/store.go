package tokens

import (
	"context"
	"errors"
	"sync"
	"time"
)

// Store is where every process finds the tokens of a login. The values hold
// secrets. redisstore has one.
type Store interface {
	// Load gives what was saved last under key, nil if there is nothing.
	Load(ctx context.Context, key string) ([]byte, error)

	// Save keeps value under key until a time, instead of what was there.
	Save(ctx context.Context, key string, value []byte, until time.Time) error

	// Delete forgets what is under key. That there is nothing is no error.
	Delete(ctx context.Context, key string) error
}

const maxKept = 100_000

// memoryStore is the Store of one process. The zero value is ready.
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

var errStoreFull = errors.New("the tokens of too many logins are kept in memory")

// Save takes nothing more when the memory is full of what is good still.
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
