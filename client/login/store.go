package login

import (
	"context"
	"time"

	"github.com/countersign/countersign/client/tokens"
	"github.com/countersign/countersign/idtoken"
)

// Store is what all processes of an application share. Whatever it answers with an error
// ends the request with status 503: nobody is taken for signed in, or for signed out,
// because the store is down. [Memory] is one for a single process.
type Store interface {
	Values
	Index
	idtoken.Replay // what may be used once
	tokens.Leases
}

// Values keeps values by their keys. Keys are printable ASCII of at most 200 bytes; values
// are sealed, a few kB each.
type Values interface {
	// Load gives the value of key, nil when there is none, or none any more.
	Load(ctx context.Context, key string) ([]byte, error)

	// Save keeps value under key until the time given, in place of another.
	Save(ctx context.Context, key string, value []byte, until time.Time) error

	// Delete forgets key. That there is none is no error.
	Delete(ctx context.Context, key string) error
}

// Index keeps sets of keys: the sessions of a user, and those of a session at the server.
type Index interface {
	// Link adds key to the set index, until the time given. When key is in the set
	// already, the later of the two times counts.
	Link(ctx context.Context, index, key string, until time.Time) error

	// Linked gives the set, in any order.
	Linked(ctx context.Context, index string) ([]string, error)

	// Unlink takes key out of the set. That it is not in there is no error.
	Unlink(ctx context.Context, index, key string) error
}

// storeTimeout is how long one call of the Store may take.
const storeTimeout = 5 * time.Second

// patient gives every call of a Store a deadline.
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
