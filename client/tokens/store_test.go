package tokens_test

import (
	"context"
	"encoding/json"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/countersign/countersign/client"
	"github.com/countersign/countersign/client/tokens"
)

// store is the Store and the Leases of a test. Like a server for many processes, it deletes
// expired values.
type store struct {
	mu     sync.Mutex
	values map[string][]byte
	leases map[string]lease
	count  int
	short  time.Duration // the longest time of a lease; 0 means the requested time
}

type lease struct {
	holder int
	until  time.Time
}

// storeOf has tokens for "alice".
func storeOf(t *testing.T, issued *client.Tokens) *store {
	t.Helper()
	value, err := json.Marshal(tokens.ToStore(issued))
	if err != nil {
		t.Fatal(err)
	}
	return &store{values: map[string][]byte{"alice": value}, leases: map[string]lease{}}
}

func (s *store) Load(_ context.Context, key string) ([]byte, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.values[key], nil
}

func (s *store) Save(_ context.Context, key string, value []byte, _ time.Time) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.values[key] = value
	return nil
}

func (s *store) Delete(_ context.Context, key string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.values, key)
	return nil
}

func (s *store) Acquire(_ context.Context, key string, d time.Duration) (func(), bool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if time.Now().Before(s.leases[key].until) {
		return nil, false, nil
	}
	if s.short > 0 {
		d = s.short
	}
	s.count++
	mine := lease{s.count, time.Now().Add(d)}
	s.leases[key] = mine
	return func() { s.release(key, mine) }, true, nil
}

func (s *store) release(key string, mine lease) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.leases[key] == mine {
		delete(s.leases, key)
	}
}

var errDown = errors.New("the store is down")

// failing is a store of which some calls fail.
type failing struct {
	tokens.Store
	load, save bool
}

func (f failing) Load(ctx context.Context, key string) ([]byte, error) {
	if f.load {
		return nil, errDown
	}
	return f.Store.Load(ctx, key)
}

func (f failing) Save(ctx context.Context, key string, value []byte, until time.Time) error {
	if f.save {
		return errDown
	}
	return f.Store.Save(ctx, key, value, until)
}

type noLeases struct{}

func (noLeases) Acquire(context.Context, string, time.Duration) (func(), bool, error) {
	return nil, false, errDown
}

// flaky is a store whose n-th call fails.
type flaky struct {
	*store
	fails, done int
}

func (f *flaky) Load(ctx context.Context, key string) ([]byte, error) {
	if f.done++; f.done == f.fails {
		return nil, errDown
	}
	return f.store.Load(ctx, key)
}

func (f *flaky) Save(ctx context.Context, key string, value []byte, until time.Time) error {
	if f.done++; f.done == f.fails {
		return errDown
	}
	return f.store.Save(ctx, key, value, until)
}
