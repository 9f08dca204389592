package storetest

import (
	"bytes"
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"
)

func testValues(t *testing.T, open func() Values) {
	one, two := open(), open()
	for name, value := range map[string][]byte{
		"text": []byte("value"), "binary": {0, 0xff, '\r', '\n', '\'', '\\', '%'}, "empty": {}, "64 KiB": bytes.Repeat([]byte("x"), 64<<10),
	} {
		t.Run(name, func(t *testing.T) { roundTrip(t, one, two, key("value"), value) })
	}
	t.Run("long key", func(t *testing.T) {
		roundTrip(t, one, two, key(strings.Repeat("k", 140)), []byte("value"))
	})
	t.Run("absent", func(t *testing.T) { loads(t, one, key("absent"), nil) })
	t.Run("replaced", func(t *testing.T) { replaced(t, one, two) })
	t.Run("expired", func(t *testing.T) { expires(t, one, two) })
	t.Run("deleted", func(t *testing.T) { deleted(t, one, two) })
	t.Run("keys are exact", func(t *testing.T) { exactKeys(t, one) })
	t.Run("caller's slice", func(t *testing.T) { ownCopy(t, one) })
	t.Run("cancelled", func(t *testing.T) { cancelledValues(t, one) })
	t.Run("parallel", func(t *testing.T) { parallelValues(t, one, two) })
}

func save(t *testing.T, s Values, key string, value []byte, until time.Time) {
	t.Helper()
	if err := s.Save(t.Context(), key, value, until); err != nil {
		t.Fatalf("Save: %v", err)
	}
}

// loads fails unless key has that value. nil is for a key without a value.
func loads(t *testing.T, s Values, key string, want []byte) {
	t.Helper()
	got, err := s.Load(t.Context(), key)
	switch {
	case err != nil:
		t.Errorf("Load: %v", err)
	case want == nil && got != nil:
		t.Errorf("Load gave %d bytes, expected nil", len(got))
	case want != nil && got == nil:
		t.Errorf("Load gave nil, expected %d bytes: an empty value is not nil", len(want))
	case !bytes.Equal(got, want):
		t.Errorf("Load gave another value of %d bytes, expected %d bytes", len(got), len(want))
	}
}

func roundTrip(t *testing.T, one, two Values, key string, value []byte) {
	save(t, one, key, value, later())
	loads(t, one, key, value)
	loads(t, two, key, value)
}

func replaced(t *testing.T, one, two Values) {
	k := key("replaced")
	save(t, one, k, []byte("first"), later())
	save(t, two, k, []byte("second"), later())
	loads(t, one, k, []byte("second"))
	save(t, one, k, []byte("third"), time.Now().Add(-time.Second))
	loads(t, one, k, nil) // a time that has passed removes the value
	loads(t, two, k, nil)
}

func expires(t *testing.T, one, two Values) {
	k := key("expires")
	save(t, one, k, []byte("value"), time.Now().Add(short))
	eventually(t, "the value expires", func() bool { got, err := two.Load(t.Context(), k); return got == nil && err == nil })
	loads(t, one, k, nil)
	save(t, two, k, []byte("again"), later())
	loads(t, one, k, []byte("again"))
}

func deleted(t *testing.T, one, two Values) {
	k := key("deleted")
	save(t, one, k, []byte("value"), later())
	for range 2 { // the second time there is nothing
		if err := two.Delete(t.Context(), k); err != nil {
			t.Errorf("Delete: %v", err)
		}
	}
	loads(t, one, k, nil)
}

func exactKeys(t *testing.T, s Values) {
	k := key("Exact")
	save(t, s, k, []byte("value"), later())
	for _, other := range []string{strings.ToUpper(k), strings.ToLower(k), k + " ", k[:len(k)-1]} {
		loads(t, s, other, nil)
	}
}

// ownCopy: the caller may change its slices afterwards.
func ownCopy(t *testing.T, s Values) {
	k, value := key("copy"), []byte("value")
	save(t, s, k, value, later())
	value[0] = 'X'
	loads(t, s, k, []byte("value"))
	if got, _ := s.Load(t.Context(), k); len(got) > 0 {
		got[0] = 'X'
	}
	loads(t, s, k, []byte("value"))
}

// cancelledValues: a call whose context has ended may succeed, if it does not wait. It
// must not say that nothing is there.
func cancelledValues(t *testing.T, s Values) {
	k := key("cancelled")
	save(t, s, k, []byte("value"), later())
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if got, err := s.Load(ctx, k); err == nil && got == nil {
		t.Error("Load with an ended context says that there is no value")
	}
}

func parallelValues(t *testing.T, one, two Values) {
	var group sync.WaitGroup
	for i := range 16 {
		s := []Values{one, two}[i%2]
		group.Go(func() {
			k := key(fmt.Sprint("parallel", i))
			for n := range 8 {
				value := fmt.Appendf(nil, "%d", n)
				if err := s.Save(t.Context(), k, value, later()); err != nil {
					t.Errorf("Save: %v", err)
				}
				if got, err := s.Load(t.Context(), k); err != nil || !bytes.Equal(got, value) {
					t.Errorf("Load after Save in parallel: %q, %v", got, err)
				}
			}
		})
	}
	group.Wait()
}
