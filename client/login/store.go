package login

import (
	"context"
	"time"

	"github.com/countersign/countersign/client/tokens"
	"github.com/countersign/countersign/idtoken"
)

// Store is shared by all processes of an application. If it returns an error, the request is
// answered with 503. While the Store is down, no visitor counts as signed in or as signed out.
// [Memory] is a Store for a single process. Package storetest tests a Store.
type Store interface {
	Values
	Index
	idtoken.Replay // values that may be used once
	tokens.Leases
}

// Values stores values under keys. Keys are printable ASCII of at most 200 bytes. Values are
// sealed and have a few kB.
type Values interface {
	// Load returns the value of key. It is nil if nothing is stored, or it has expired.
	Load(ctx context.Context, key string) ([]byte, error)

	// Save stores value under key until the given time, and replaces an earlier value.
	Save(ctx context.Context, key string, value []byte, until time.Time) error

	// Delete removes key. A key that does not exist is not an error.
	Delete(ctx context.Context, key string) error
}

// Index stores sets of keys: the sessions of a user, and those of a session at the server.
type Index interface {
	// Link adds key to the set index until the given time. If the set already contains key, the
	// later of the two times applies.
	Link(ctx context.Context, index, key string, until time.Time) error

	// Linked returns the set, in any order.
	Linked(ctx context.Context, index string) ([]string, error)

	// Unlink removes key from the set. It is not an error if the set does not contain key.
	Unlink(ctx context.Context, index, key string) error
}

// storeTimeout is the deadline of one call to the Store.
const storeTimeout = 5 * time.Second

// patient sets a deadline for every call of a Store.
type patient struct{ store Store }

func (p patient) Load(ctx context.Context, key string) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, storeTimeout)
	defer cancel()
	return p.store.Load(ctx, key)
}

func (p patient) Save(ctx context.Context, key string, value []byte, until time.Time) error {
	ctx, cancel := context.WithTimeout(ctx, storeTimeout)
	defer cancel()
	return p.store.Save(ctx, key, value, until)
}

func (p patient) Delete(ctx context.Context, key string) error {
	ctx, cancel := context.WithTimeout(ctx, storeTimeout)
	defer cancel()
	return p.store.Delete(ctx, key)
}

func (p patient) Link(ctx context.Context, index, key string, until time.Time) error {
	ctx, cancel := context.WithTimeout(ctx, storeTimeout)
	defer cancel()
	return p.store.Link(ctx, index, key, until)
}

func (p patient) Linked(ctx context.Context, index string) ([]string, error) {
	ctx, cancel := context.WithTimeout(ctx, storeTimeout)
	defer cancel()
	return p.store.Linked(ctx, index)
}

func (p patient) Unlink(ctx context.Context, index, key string) error {
	ctx, cancel := context.WithTimeout(ctx, storeTimeout)
	defer cancel()
	return p.store.Unlink(ctx, index, key)
}

func (p patient) Once(ctx context.Context, key string, until time.Time) (bool, error) {
	ctx, cancel := context.WithTimeout(ctx, storeTimeout)
	defer cancel()
	return p.store.Once(ctx, key, until)
}

func (p patient) Acquire(ctx context.Context, key string, d time.Duration) (func(), bool, error) {
	ctx, cancel := context.WithTimeout(ctx, storeTimeout)
	defer cancel()
	return p.store.Acquire(ctx, key, d)
}
