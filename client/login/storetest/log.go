package storetest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// Log is a list that all processes follow: rs.SharedLog.
type Log interface {
	// Append adds value to the log until the given time.
	Append(ctx context.Context, log string, value []byte, until time.Time) error

	// Follow calls heard for every value, and current each time it knows that none is missing.
	// It returns when ctx ends.
	Follow(ctx context.Context, log string, heard func(value []byte), current func()) error
}

func testLog(t *testing.T, open func() Log) {
	one, two := open(), open()
	t.Run("followed", func(t *testing.T) { followed(t, one, two) })
	t.Run("expired", func(t *testing.T) { expiredLog(t, one, two) })
	t.Run("each value has its time", func(t *testing.T) { t.Parallel(); keptLog(t, one, two) })
	t.Run("separate", func(t *testing.T) { separateLogs(t, one, two) })
	t.Run("many writers", func(t *testing.T) { manyWriters(t, one, two) })
	t.Run("current", func(t *testing.T) { currentLog(t, one, two) })
	t.Run("stays current", func(t *testing.T) { t.Parallel(); staysCurrent(t, one, two) })
	t.Run("often current", func(t *testing.T) { t.Parallel(); oftenCurrent(t, one) })
	t.Run("values are exact", func(t *testing.T) { exactLog(t, one, two) })
	t.Run("ended context", func(t *testing.T) { wantEnded(t, "Append", one.Append(ended(t), key("log"), []byte("a"), later())) })
	t.Run("ends", func(t *testing.T) { followEnds(t, one) })
}

// A reader follows a log in a goroutine that ends with the test.
type reader struct {
	mu     sync.Mutex
	values []string
	looks  int
	first  int // how many values had come when current was called first
}

func follow(t *testing.T, s Log, log string) *reader {
	t.Helper()
	r := &reader{}
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	done := make(chan error, 1)
	go func() { done <- s.Follow(ctx, log, r.hear, r.look) }()
	t.Cleanup(func() {
		cancel()
		<-done
	})
	return r
}

func (r *reader) hear(value []byte) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !slices.Contains(r.values, string(value)) { // a value may come twice
		r.values = append(r.values, string(value))
	}
}

func (r *reader) look() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.looks++; r.looks == 1 {
		r.first = len(r.values)
	}
}

// seen returns the number of looks, the values of the first one, and whether a value has come.
func (r *reader) seen(value string) (looks, first int, has bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.looks, r.first, slices.Contains(r.values, value)
}

// has reports whether exactly these values came, and a look found none missing since.
func (r *reader) has(want ...string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	got := slices.Sorted(slices.Values(r.values))
	slices.Sort(want)
	return r.looks > 0 && slices.Equal(got, want)
}

func add(t *testing.T, s Log, log, value string, until time.Time) {
	t.Helper()
	if err := s.Append(t.Context(), log, []byte(value), until); err != nil {
		t.Fatalf("Append: %v", err)
	}
}

// followed: a reader receives the values that were added before and after it began, from every process.
func followed(t *testing.T, one, two Log) {
	log := key("log")
	early := follow(t, two, log)
	eventually(t, "Follow calls current for an empty log", func() bool { return early.has() })
	add(t, one, log, "a", later())
	add(t, two, log, "b\x00\xff", later())
	late := follow(t, one, log)
	add(t, one, log, "", later())
	for name, r := range map[string]*reader{"early": early, "late": late} {
		eventually(t, "the "+name+" reader receives all values", func() bool { return r.has("a", "b\x00\xff", "") })
	}
}

// expiredLog: a value with a time that has passed is not added. One that expires in the log
// may still come until the store removes it.
func expiredLog(t *testing.T, one, two Log) {
	log := key("log")
	add(t, one, log, "past", time.Now().Add(-time.Second))
	add(t, one, log, "long", later())
	r := follow(t, two, log)
	eventually(t, "the reader receives only the value that has not expired", func() bool { return r.has("long") })
}

func separateLogs(t *testing.T, one, two Log) {
	log := key("Log")
	r := follow(t, two, log)
	for _, other := range append(similar(log), key("other")) {
		add(t, one, other, "x", later())
	}
	add(t, one, log, "a", later())
	eventually(t, "the reader receives only the value of this log", func() bool { return r.has("a") })
}

// manyWriters: a reader receives all values that two processes add at the same time.
func manyWriters(t *testing.T, one, two Log) {
	log := key("log")
	r := follow(t, one, log)
	var want []string
	var group sync.WaitGroup
	for i := range 8 {
		s := []Log{one, two}[i%2]
		for n := range 25 {
			want = append(want, fmt.Sprint(i, ".", n))
		}
		group.Go(func() {
			for n := range 25 {
				if err := s.Append(t.Context(), log, fmt.Append(nil, i, ".", n), later()); err != nil {
					t.Errorf("Append: %v", err)
				}
			}
		})
	}
	group.Wait()
	eventually(t, "the reader receives all 200 values", func() bool { return r.has(want...) })
	late := follow(t, two, log)
	eventually(t, "a late reader receives all 200 values", func() bool { return late.has(want...) })
}

// keptLog: a value stays in the log when another one has expired that was added later.
func keptLog(t *testing.T, one, two Log) {
	log := key("log")
	add(t, one, log, "long", later())
	add(t, one, log, "short", time.Now().Add(short))
	time.Sleep(2 * short)
	add(t, two, log, "new", later())
	r := follow(t, two, log)
	eventually(t, "the reader receives the values that have not expired", func() bool {
		_, _, long := r.seen("long")
		_, _, fresh := r.seen("new")
		return long && fresh
	})
}

// oftenCurrent: current is called at least once per second, also while nothing is added. A
// process that does not know whether it is current rejects requests. The wait allows for twice
// the time.
func oftenCurrent(t *testing.T, s Log) {
	r := follow(t, s, key("log"))
	eventually(t, "current is called six times", func() bool { looks, _, _ := r.seen(""); return looks >= 6 })
}

// currentLog: current is called only after the values that were in the log have come. A
// process must not accept a token before it knows the revocations.
func currentLog(t *testing.T, one, two Log) {
	log := key("log")
	for i := range 50 {
		add(t, one, log, fmt.Sprint(i), later())
	}
	r := follow(t, two, log)
	eventually(t, "current is called", func() bool { looks, _, _ := r.seen(""); return looks > 0 })
	if _, first, _ := r.seen(""); first != 50 {
		t.Errorf("current was called after %d of 50 values", first)
	}
}

// staysCurrent: current is called again and again, and never while a value is missing that
// was added before. A call that has begun may end after the value was added.
func staysCurrent(t *testing.T, one, two Log) {
	log := key("log")
	r := follow(t, two, log)
	for round := range 3 {
		value := fmt.Sprint(round)
		add(t, one, log, value, later())
		before, _, _ := r.seen(value)
		eventually(t, "current is called again", func() bool {
			looks, _, has := r.seen(value)
			if looks >= before+2 && !has {
				t.Errorf("current was called twice while a value was missing")
			}
			return looks >= before+2
		})
	}
}

// exactLog: values are not changed, and the caller may change its slice afterwards.
func exactLog(t *testing.T, one, two Log) {
	log := key("log")
	r := follow(t, two, log)
	want := []string{strings.Repeat("x", 64<<10), string(everyByte()), " \r\n value ", "\x00\x00"}
	for _, value := range want {
		slice := []byte(value)
		if err := one.Append(t.Context(), log, slice, later()); err != nil {
			t.Fatalf("Append: %v", err)
		}
		clear(slice)
	}
	eventually(t, "the reader receives the values unchanged", func() bool { return r.has(want...) })
}

// followEnds: Follow returns with its context, and with the cause.
func followEnds(t *testing.T, s Log) {
	cause := errors.New("the program ends")
	ctx, cancel := context.WithCancelCause(t.Context())
	done := make(chan error, 1)
	go func() { done <- s.Follow(ctx, key("log"), func([]byte) {}, func() {}) }()
	cancel(cause)
	select {
	case err := <-done:
		if !errors.Is(err, cause) {
			t.Errorf("Follow returned %v, expected the cause of the context", err)
		}
	case <-time.After(patience):
		t.Error("Follow does not return when its context ends")
	}
}
