// Package storetest tests stores: what the processes of an application share. A store has
// the methods of the interfaces that packages client/login, client/tokens, idtoken and rs
// declare, or of some of them. Run the suite in the tests of any implementation:
//
//	func TestStore(t *testing.T) {
//		storetest.Run(t, func(t *testing.T) any { return open(t) })
//	}
//
// Each test uses random keys, so the state may be kept between runs. The suite takes a few
// seconds: it waits for entries to expire.
package storetest

import (
	"context"
	"crypto/rand"
	"testing"
	"time"
)

// Values keeps values: login.Values, tokens.Store and rs.SharedStore.
type Values interface {
	// Load returns the value of key. It is nil if there is none or it has expired.
	Load(ctx context.Context, key string) ([]byte, error)

	// Save stores value under key until the given time, and replaces an earlier value.
	Save(ctx context.Context, key string, value []byte, until time.Time) error

	// Delete removes key. A key that does not exist is not an error.
	Delete(ctx context.Context, key string) error
}

// Index keeps sets of keys: login.Index.
type Index interface {
	// Link adds key to the set index until the given time. Of two times the later one applies.
	Link(ctx context.Context, index, key string, until time.Time) error

	// Linked returns the set, in any order.
	Linked(ctx context.Context, index string) ([]string, error)

	// Unlink removes key from the set. A key that is not in it is not an error.
	Unlink(ctx context.Context, index, key string) error
}

// Replay remembers what was used: idtoken.Replay and rs.ReplayStore.
type Replay interface {
	Once(ctx context.Context, key string, until time.Time) (first bool, err error)
}

// Leases lets one process at a time do something: tokens.Leases.
type Leases interface {
	Acquire(ctx context.Context, key string, d time.Duration) (release func(), held bool, err error)
}

// Run runs the suite of every interface above that the store implements. open opens a
// handle to the store. It is called several times in a test: each handle is another
// process, and all of them must see the same state. A store that implements none of the
// interfaces fails the test.
func Run(t *testing.T, open func(t *testing.T) any) {
	t.Helper()
	store, tested := open(t), false
	if _, ok := store.(Values); ok {
		tested = true
		t.Run("values", func(t *testing.T) { testValues(t, func() Values { return open(t).(Values) }) })
	}
	if _, ok := store.(Index); ok {
		tested = true
		t.Run("index", func(t *testing.T) { testIndex(t, func() Index { return open(t).(Index) }) })
	}
	if _, ok := store.(Replay); ok {
		tested = true
		t.Run("replay", func(t *testing.T) { testReplay(t, func() Replay { return open(t).(Replay) }) })
	}
	if _, ok := store.(Leases); ok {
		tested = true
		t.Run("leases", func(t *testing.T) { testLeases(t, func() Leases { return open(t).(Leases) }) })
	}
	if _, ok := store.(Log); ok {
		tested = true
		t.Run("log", func(t *testing.T) { testLog(t, func() Log { return open(t).(Log) }) })
	}
	if !tested {
		t.Errorf("%T implements none of the interfaces Values, Index, Replay, Leases and Log", store)
	}
}

// key gives a key that no other test has used.
func key(name string) string { return "storetest:" + name + ":" + rand.Text() }

// later is a time that does not pass during a test.
func later() time.Time { return time.Now().Add(5 * time.Minute) }

// short is how long an entry lives that a test waits for.
const short = 200 * time.Millisecond

// eventually waits up to ten seconds for a condition.
func eventually(t *testing.T, what string, is func() bool) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		if is() {
			return
		}
	}
	t.Errorf("%s: not within ten seconds", what)
}
