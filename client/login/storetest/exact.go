package storetest

import (
	"context"
	"testing"
	"time"
)

// tolerance is how much longer than its time an entry may exist.
const tolerance = 500 * time.Millisecond

// A timed kind of entry: add adds one until a time, and exists reports whether it is there.
type timed struct {
	add    func(until time.Time) error
	exists func() (bool, error)
}

// exactTime: an entry exists until its time, which is not rounded to seconds. What is
// forgotten early could be used again. The time for add itself is allowed in addition.
func exactTime(t *testing.T, entry timed) {
	t.Helper()
	until, took := addExact(t, entry)
	latest := until.Add(tolerance + took)
	for ; ; time.Sleep(20 * time.Millisecond) {
		asked := time.Now()
		there, err := entry.exists()
		switch early := time.Until(until); {
		case err != nil:
			t.Fatal(err)
		case !there && early > 5*time.Millisecond:
			t.Fatalf("the entry expired %v before its time: the store must not round times", early)
		case there && asked.After(latest):
			t.Fatalf("the entry still exists %v after its time, expected at most %v", asked.Sub(until), tolerance)
		case !there:
			return
		}
	}
}

// addExact adds an entry until 1.2 seconds after a full second. It tries again if the machine is
// so busy that this time is over before.
func addExact(t *testing.T, entry timed) (until time.Time, took time.Duration) {
	t.Helper()
	for range 10 {
		begin := nextSecond()
		time.Sleep(time.Until(begin))
		called := time.Now()
		until = begin.Add(1200 * time.Millisecond)
		err := entry.add(until)
		switch {
		case err == nil:
			return until, time.Since(called)
		case time.Now().Before(until):
			t.Fatalf("an entry until %v from now: %v", time.Until(until), err)
		}
	}
	t.Fatal("the store needs more than 1.2 seconds to add an entry")
	return until, 0
}

// nextSecond returns a time that is still far from a full second 1.2 seconds later. The duration
// of 1.2 seconds is also far from full seconds.
func nextSecond() time.Time { return time.Now().Truncate(time.Second).Add(time.Second) }

// sameKeys: the same key may be used for a value, for a set, for Once and for a lease. Package
// client/tokens keeps tokens and their lease under related names.
func sameKeys(t *testing.T, store any) {
	k := key("same")
	values, hasValues := store.(Values)
	if hasValues {
		save(t, values, k, []byte("value"), later())
	}
	if s, ok := store.(Index); ok {
		link(t, s, k, "member", later())
		linked(t, s, k, "member")
	}
	if s, ok := store.(Replay); ok {
		wantOnce(t, s, k, true)
	}
	if s, ok := store.(Leases); ok {
		acquire(t, s, k, time.Minute, true)()
	}
	if hasValues {
		loads(t, values, k, []byte("value"))
	}
}

// ended returns a context that has ended.
func ended(t *testing.T) context.Context {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	return ctx
}

// wantEnded fails unless a call with an ended context returned an error.
func wantEnded(t *testing.T, call string, err error) {
	t.Helper()
	if err == nil {
		t.Errorf("%s returned no error for a context that has ended: the store must use the context", call)
	}
}
