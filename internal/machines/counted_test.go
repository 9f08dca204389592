package machines_test

import (
	"context"
	"sync"
	"time"

	"github.com/countersign/countersign/client/login"
	"github.com/countersign/countersign/rs"
)

// store has the methods that the features require.
type store interface {
	login.Store
	rs.SharedLog
	Ping(ctx context.Context) error
}

// counted counts the calls of a store, by method.
type counted struct {
	store

	mu    sync.Mutex
	calls map[string]int
}

func (c *counted) count(method string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.calls[method]++
}

// reset returns the numbers since the last call of reset.
func (c *counted) reset() map[string]int {
	c.mu.Lock()
	defer c.mu.Unlock()
	calls := c.calls
	c.calls = map[string]int{}
	return calls
}

func (c *counted) Load(ctx context.Context, key string) ([]byte, error) {
	c.count("Load")
	return c.store.Load(ctx, key)
}

func (c *counted) Save(ctx context.Context, key string, value []byte, until time.Time) error {
	c.count("Save")
	return c.store.Save(ctx, key, value, until)
}

func (c *counted) Delete(ctx context.Context, key string) error {
	c.count("Delete")
	return c.store.Delete(ctx, key)
}

func (c *counted) Link(ctx context.Context, index, key string, until time.Time) error {
	c.count("Link")
	return c.store.Link(ctx, index, key, until)
}

func (c *counted) Linked(ctx context.Context, index string) ([]string, error) {
	c.count("Linked")
	return c.store.Linked(ctx, index)
}

func (c *counted) Unlink(ctx context.Context, index, key string) error {
	c.count("Unlink")
	return c.store.Unlink(ctx, index, key)
}

func (c *counted) Once(ctx context.Context, key string, until time.Time) (bool, error) {
	c.count("Once")
	return c.store.Once(ctx, key, until)
}

func (c *counted) Acquire(ctx context.Context, key string, d time.Duration) (func(), bool, error) {
	c.count("Acquire")
	release, held, err := c.store.Acquire(ctx, key, d)
	if !held {
		return release, held, err
	}
	return func() {
		c.count("release")
		release()
	}, held, err
}

func (c *counted) Append(ctx context.Context, log string, value []byte, until time.Time) error {
	c.count("Append")
	return c.store.Append(ctx, log, value, until)
}

func (c *counted) Follow(ctx context.Context, log string, heard func([]byte), current func()) error {
	c.count("Follow")
	return c.store.Follow(ctx, log, heard, current)
}
