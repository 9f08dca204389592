package storetest

import (
	"bytes"
	"fmt"
	"sync"
	"testing"
	"time"
)

func testValues(t *testing.T, open func() Values) {
	one, two := open(), open()
	t.Run("deleted", func(t *testing.T) { deleted(t, one, two) })
	t.Run("delete is exact", func(t *testing.T) { exactDelete(t, one) })
	t.Run("saved after delete", func(t *testing.T) { savedAgain(t, one, two) })
	t.Run("deleted at another process", func(t *testing.T) { deletedElsewhere(t, one, two) })
}

// testLoadSave is what Values and ssf.Store have in common.
func testLoadSave(t *testing.T, open func() LoadSave) {
	one, two := open(), open()
	for name, value := range map[string][]byte{
		"text": []byte("value"), "binary": {0, 0xff, '\r', '\n', '\'', '\\', '%'}, "empty": {}, "64 KiB": bytes.Repeat([]byte("x"), 64<<10),
		"spaces": []byte(" \tvalue\r\n "), "zeros": {0, 0, 0}, "every byte": everyByte(),
	} {
		t.Run(name, func(t *testing.T) { roundTrip(t, one, two, key("value"), value) })
	}
	t.Run("odd key", func(t *testing.T) { roundTrip(t, one, two, key(`%_*?[]{}'"\`), []byte("value")) })
	t.Run("absent", func(t *testing.T) { loads(t, one, key("absent"), nil) })
	t.Run("replaced", func(t *testing.T) { replaced(t, one, two) })
	t.Run("replaced by a shorter value", func(t *testing.T) { shorter(t, one, two) })
	t.Run("replaced at another process", func(t *testing.T) { replacedElsewhere(t, one, two) })
	t.Run("expired", func(t *testing.T) { t.Parallel(); expires(t, one, two) })
	t.Run("the last time counts", func(t *testing.T) { t.Parallel(); lastTime(t, one, two) })
	t.Run("keys are exact", func(t *testing.T) { exactKeys(t, one) })
	t.Run("punctuation", func(t *testing.T) { punctuation(t, one) })
	t.Run("caller's slice", func(t *testing.T) { ownCopy(t, one) })
	t.Run("one slice for each call", func(t *testing.T) { ownSlices(t, one) })
	t.Run("ended context", func(t *testing.T) { endedValues(t, one) })
	t.Run("parallel", func(t *testing.T) { parallelValues(t, one, two) })
	t.Run("exact time", func(t *testing.T) {
		t.Parallel()
		k := key("exact")
		exactTime(t, timed{
			add:    func(until time.Time) error { return one.Save(t.Context(), k, []byte("value"), until) },
			exists: func() (bool, error) { got, err := two.Load(t.Context(), k); return got != nil, err },
		})
	})
}

func everyByte() (all []byte) {
	for i := range 256 {
		all = append(all, byte(i))
	}
	return all
}

func save(t *testing.T, s LoadSave, key string, value []byte, until time.Time) {
	t.Helper()
	if err := s.Save(t.Context(), key, value, until); err != nil {
		t.Fatalf("Save: %v", err)
	}
}

// loads fails unless key has that value. nil is for a key without a value.
func loads(t *testing.T, s LoadSave, key string, want []byte) {
	t.Helper()
	got, err := s.Load(t.Context(), key)
	switch {
	case err != nil:
		t.Errorf("Load: %v", err)
	case want == nil && got != nil:
		t.Errorf("Load returned %d bytes, expected nil", len(got))
	case want != nil && got == nil:
		t.Errorf("Load returned nil, expected %d bytes: an empty value is not nil", len(want))
	case !bytes.Equal(got, want):
		t.Errorf("Load returned another value of %d bytes, expected %d bytes", len(got), len(want))
	}
}

func roundTrip(t *testing.T, one, two LoadSave, key string, value []byte) {
	save(t, one, key, value, later())
	loads(t, one, key, value)
	loads(t, two, key, value)
}

func replaced(t *testing.T, one, two LoadSave) {
	k := key("replaced")
	save(t, one, k, []byte("first"), later())
	save(t, two, k, []byte("second"), later())
	loads(t, one, k, []byte("second"))
	save(t, one, k, []byte("third"), time.Now().Add(-time.Second))
	loads(t, one, k, nil) // a time that has passed removes the value
	loads(t, two, k, nil)
}

// shorter: nothing of the old value is left.
func shorter(t *testing.T, one, two LoadSave) {
	k := key("shorter")
	for _, value := range []string{"a longer value", "short", ""} {
		save(t, one, k, []byte(value), later())
		loads(t, two, k, []byte(value))
	}
}

// replacedElsewhere: a process that has read a value sees what another one saves afterwards.
func replacedElsewhere(t *testing.T, one, two LoadSave) {
	k := key("elsewhere")
	loads(t, one, k, nil)
	for i := range 4 {
		value := fmt.Appendf(nil, "value %d", i)
		save(t, []LoadSave{one, two}[i%2], k, value, later())
		loads(t, one, k, value)
		loads(t, two, k, value)
	}
}

// punctuation: keys that differ only in a punctuation mark are different.
func punctuation(t *testing.T, s LoadSave) {
	k := key("mark")
	const marks = `/\:._-%*?+~ "'`
	for _, mark := range marks {
		save(t, s, k+string(mark)+"x", []byte(string(mark)), later())
	}
	for _, mark := range marks {
		loads(t, s, k+string(mark)+"x", []byte(string(mark)))
	}
}

func expires(t *testing.T, one, two LoadSave) {
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
	loads(t, two, k, nil)
}

// savedAgain: a key that was deleted can have a value again, at once.
func savedAgain(t *testing.T, one, two Values) {
	k := key("again")
	save(t, one, k, []byte("value"), later())
	if err := one.Delete(t.Context(), k); err != nil {
		t.Errorf("Delete: %v", err)
	}
	save(t, one, k, []byte("another"), later())
	loads(t, one, k, []byte("another"))
	loads(t, two, k, []byte("another"))
}

// deletedElsewhere: a process that has read a value does not keep it after another one deleted
// it. A session that ended must have ended everywhere.
func deletedElsewhere(t *testing.T, one, two Values) {
	k := key("elsewhere")
	save(t, one, k, []byte("value"), later())
	loads(t, one, k, []byte("value"))
	loads(t, two, k, []byte("value"))
	if err := two.Delete(t.Context(), k); err != nil {
		t.Errorf("Delete: %v", err)
	}
	loads(t, one, k, nil)
	loads(t, two, k, nil)
}

// exactDelete: another key that looks like this one is not deleted with it.
func exactDelete(t *testing.T, s Values) {
	k := key("Exact")
	save(t, s, k, []byte("value"), later())
	for _, other := range similar(k) {
		if err := s.Delete(t.Context(), other); err != nil {
			t.Errorf("Delete: %v", err)
		}
	}
	loads(t, s, k, []byte("value"))
	wantEnded(t, "Delete", s.Delete(ended(t), k))
}

func exactKeys(t *testing.T, s LoadSave) {
	for _, k := range []string{key("Exact"), longKey()} {
		save(t, s, k, []byte("value"), later())
		for _, other := range similar(k) {
			if len(other) <= 200 {
				loads(t, s, other, nil)
			}
		}
		roundTrip(t, s, s, k[:len(k)-1]+"-", []byte("another"))
		loads(t, s, k, []byte("value"))
	}
}

// lastTime: the time of the last Save counts, whether it is the earlier or the later one.
func lastTime(t *testing.T, one, two LoadSave) {
	longer, shorter := key("longer"), key("shorter")
	save(t, one, longer, []byte("value"), time.Now().Add(short))
	save(t, two, longer, []byte("value"), later())
	save(t, one, shorter, []byte("value"), later())
	save(t, two, shorter, []byte("value"), time.Now().Add(short))
	eventually(t, "the value expires", func() bool { got, err := one.Load(t.Context(), shorter); return got == nil && err == nil })
	time.Sleep(short)
	loads(t, one, longer, []byte("value"))
}

// ownSlices: the result of one call is not changed by the next one.
func ownSlices(t *testing.T, s LoadSave) {
	a, b := key("a"), key("b")
	save(t, s, a, []byte("value a"), later())
	save(t, s, b, []byte("value b"), later())
	first, err := s.Load(t.Context(), a)
	if err != nil {
		t.Fatal(err)
	}
	loads(t, s, b, []byte("value b"))
	save(t, s, a, []byte("changed"), later())
	if string(first) != "value a" {
		t.Error("a later call changed a value that Load returned: return a new slice from each call")
	}
}

// ownCopy: the caller may change its slices afterwards.
func ownCopy(t *testing.T, s LoadSave) {
	k, value := key("copy"), []byte("value")
	save(t, s, k, value, later())
	value[0] = 'X'
	loads(t, s, k, []byte("value"))
	if got, _ := s.Load(t.Context(), k); len(got) > 0 {
		got[0] = 'X'
	}
	loads(t, s, k, []byte("value"))
}

func endedValues(t *testing.T, s LoadSave) {
	k := key("ended")
	save(t, s, k, []byte("value"), later())
	_, err := s.Load(ended(t), k)
	wantEnded(t, "Load", err)
	wantEnded(t, "Save", s.Save(ended(t), k, []byte("value"), later()))
}

func parallelValues(t *testing.T, one, two LoadSave) {
	var group sync.WaitGroup
	for i := range 16 {
		s := []LoadSave{one, two}[i%2]
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
