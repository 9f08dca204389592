// Package storetest tests stores: what the processes of an application share. A store has the
// methods of the interfaces that packages client/login, client/tokens, idtoken and rs declare, or
// of some of them. Run the suite in the tests of any implementation:
//
//	func TestStore(t *testing.T) {
//		storetest.Run(t, func(t *testing.T) any { return open(t) })
//	}
//
// Each test uses random keys, so the state may be kept between runs. The suite runs for about 20
// seconds, because it waits for entries to expire. Beyond the documentation of the interfaces it
// requires that
//
//   - keys are compared byte by byte, and are not shortened,
//   - an entry exists until its time, and at most half a second longer,
//   - the same key may be used for a value, for a set, for Once and for a lease,
//   - a call whose context has ended returns an error.
package storetest

import (
	"context"
	"crypto/rand"
	"slices"
	"strings"
	"testing"
	"time"
)

// Values keeps values: login.Values, tokens.Store and rs.SharedStore.
type Values interface {
	LoadSave

	// Delete removes key. A key that does not exist is not an error.
	Delete(ctx context.Context, key string) error
}

// LoadSave is the part of Values that ssf.Store has.
type LoadSave interface {
	// Load returns the value of key. It is nil if nothing is stored, or it has expired.
	Load(ctx context.Context, key string) ([]byte, error)

	// Save stores value under key until the given time, and replaces an earlier value.
	Save(ctx context.Context, key string, value []byte, until time.Time) error
}

// Index keeps sets of keys: login.Index.
type Index interface {
	// Link adds key to the set index until the given time. Of two times the later one applies.
	Link(ctx context.Context, index, key string, until time.Time) error

	// Linked returns the set, in any order.
	Linked(ctx context.Context, index string) ([]string, error)

	// Unlink removes key from the set. It is not an error if the set does not contain key.
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
	store := open(t)
	tested := []bool{
		part(t, store, open, "values", testValues),
		part(t, store, open, "load and save", testLoadSave),
		part(t, store, open, "index", testIndex),
		part(t, store, open, "replay", testReplay),
		part(t, store, open, "leases", testLeases),
		part(t, store, open, "log", testLog),
	}
	if !slices.Contains(tested, true) {
		t.Errorf("%T implements none of the interfaces Values, LoadSave, Index, Replay, Leases and Log", store)
	}
	t.Run("same keys", func(t *testing.T) { sameKeys(t, open(t)) })
}

// part runs the tests of one interface, if the store implements it.
func part[I any](t *testing.T, store any, open func(t *testing.T) any, name string, test func(t *testing.T, open func() I)) bool {
	_, ok := store.(I)
	if ok {
		t.Run(name, func(t *testing.T) { test(t, func() I { return open(t).(I) }) })
	}
	return ok
}

// key returns a key that no other test has used.
func key(name string) string { return "storetest:" + name + ":" + rand.Text() }

// similar are keys that a store must not mistake for k: it must not fold case, trim, cut or
// take characters for wildcards.
func similar(k string) []string {
	return []string{strings.ToUpper(k), strings.ToLower(k), k + " ", " " + k, k[:len(k)-1], k + "%", k[:len(k)-1] + "%", k[:len(k)-1] + "_", k[:len(k)-1] + "*", k[:len(k)-1] + "?"}
}

// longKey has the maximum length of a key, 200 characters.
func longKey() string {
	k := key("Long")
	return k + strings.Repeat("k", 200-len(k))
}

// later is a time that does not pass during a test.
func later() time.Time { return time.Now().Add(5 * time.Minute) }

// short is the lifetime of an entry whose end a test waits for.
const short = 200 * time.Millisecond

// brief adds an entry that lives for a short time. On a busy machine this time may be over
// before the store looks at it. Then the store may return an error, and the entry gets more.
func brief(t *testing.T, add func(until time.Time) error) {
	t.Helper()
	for life := short; ; life *= 2 {
		until := time.Now().Add(life)
		err := add(until)
		if err == nil {
			return
		}
		if time.Now().Before(until) || life > patience {
			t.Fatalf("an entry that lives for %v: %v", life, err)
		}
	}
}

// patience is how long a test waits for an expected event.
const patience = 30 * time.Second

// eventually waits for a condition.
func eventually(t *testing.T, what string, is func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		if is() {
			return
		}
	}
	t.Errorf("expected within %[2]v: %[1]s", what, patience)
}
