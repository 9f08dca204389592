package ssf

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"sync"
	"time"
)

// Store is what all processes of an application share: the tokens that were applied and the
// verifications that were requested. login.Memory, redisstore.Store
// and sqlstore.Store implement it.
type Store interface {
	// Load returns the value of key, or nil if nothing is stored.
	Load(ctx context.Context, key string) ([]byte, error)

	// Save stores value under key until the given time.
	Save(ctx context.Context, key string, value []byte, until time.Time) error
}

const storeTimeout = 2 * time.Second // for one call of the Store

// generation is the maximum number of values in one generation of a memory, at about 150 bytes
// each.
const generation = 100_000

// memory is the Store of one process. It keeps at least the last 100,000 values. An event that
// was forgotten and is sent again is applied again. This ends nothing that began later. The
// zero value is ready.
type memory struct {
	mu         sync.Mutex
	young, old map[string]kept
}

type kept struct {
	value []byte
	until time.Time
}

func (m *memory) load(key string, now time.Time) []byte {
	m.mu.Lock()
	defer m.mu.Unlock()
	k, ok := m.young[key]
	if !ok {
		k, ok = m.old[key]
	}
	if !ok || !now.Before(k.until) {
		return nil
	}
	return k.value
}

func (m *memory) save(key string, value []byte, until time.Time) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.young == nil || len(m.young) >= generation {
		m.old, m.young = m.young, map[string]kept{}
	}
	m.young[key] = kept{value, until}
}

func (r *Receiver) load(ctx context.Context, key string) ([]byte, error) {
	if r.Store == nil {
		return r.memory.load(key, r.now()), nil
	}
	ctx, cancel := context.WithTimeout(ctx, storeTimeout)
	defer cancel()
	return r.Store.Load(ctx, key)
}

func (r *Receiver) save(ctx context.Context, key string, value []byte, until time.Time) error {
	if r.Store == nil {
		r.memory.save(key, value, until)
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, storeTimeout)
	defer cancel()
	return r.Store.Save(ctx, key, value, until)
}

// key has a fixed length and reveals nothing, because transmitters choose jti freely.
func (r *Receiver) key(kind, id string) string {
	sum := sha256.Sum256([]byte(r.Issuer + "\x00" + r.Audience + "\x00" + id))
	return "ssf:" + kind + ":" + base64.RawURLEncoding.EncodeToString(sum[:])
}
