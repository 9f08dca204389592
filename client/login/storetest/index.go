package storetest

import (
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"
)

func testIndex(t *testing.T, open func() Index) {
	one, two := open(), open()
	t.Run("sets", func(t *testing.T) { sets(t, one, two) })
	t.Run("the later time counts", func(t *testing.T) { laterTime(t, one, two) })
	t.Run("expired", func(t *testing.T) { expiredLinks(t, one, two) })
	t.Run("a time that has passed", func(t *testing.T) { pastLink(t, one) })
	t.Run("parallel", func(t *testing.T) { parallelLinks(t, one, two) })
}

func link(t *testing.T, s Index, index, key string, until time.Time) {
	t.Helper()
	if err := s.Link(t.Context(), index, key, until); err != nil {
		t.Fatalf("Link: %v", err)
	}
}

func linked(t *testing.T, s Index, index string, want ...string) {
	t.Helper()
	got, err := s.Linked(t.Context(), index)
	slices.Sort(got)
	if err != nil || !slices.Equal(got, want) {
		t.Errorf("Linked gave %q, %v; expected %q", got, err, want)
	}
}

func sets(t *testing.T, one, two Index) {
	user, other := key("user"), key("other")
	linked(t, one, user)
	link(t, one, user, "a", later())
	link(t, two, user, "b", later())
	link(t, one, user, "b", later()) // once more: still one key
	link(t, one, other, "a", later())
	linked(t, one, user, "a", "b")
	linked(t, two, user, "a", "b")
	linked(t, two, other, "a")
	for range 2 { // the second time it is not in the set
		if err := two.Unlink(t.Context(), user, "a"); err != nil {
			t.Errorf("Unlink: %v", err)
		}
	}
	linked(t, one, user, "b")
	linked(t, one, other, "a")
	if err := one.Unlink(t.Context(), key("nobody"), "a"); err != nil {
		t.Errorf("Unlink from a set that does not exist: %v", err)
	}
}

// laterTime: a session that was extended must not leave the set early.
func laterTime(t *testing.T, one, two Index) {
	user := key("user")
	link(t, one, user, "a", later())
	link(t, two, user, "a", time.Now().Add(short))
	time.Sleep(2 * short)
	linked(t, one, user, "a")
}

func expiredLinks(t *testing.T, one, two Index) {
	user := key("user")
	link(t, one, user, "a", time.Now().Add(short))
	link(t, one, user, "b", later())
	eventually(t, "the link expires", func() bool { got, err := two.Linked(t.Context(), user); return err == nil && len(got) == 1 })
	linked(t, one, user, "b")
}

func pastLink(t *testing.T, s Index) {
	user := key("user")
	if err := s.Link(t.Context(), user, "a", time.Now().Add(-time.Second)); err != nil {
		return // an error is as good
	}
	linked(t, s, user)
}

func parallelLinks(t *testing.T, one, two Index) {
	user := key("user")
	var want []string
	var group sync.WaitGroup
	for i := range 20 {
		s, member := []Index{one, two}[i%2], fmt.Sprintf("%02d", i)
		want = append(want, member)
		group.Go(func() {
			if err := s.Link(t.Context(), user, member, later()); err != nil {
				t.Errorf("Link: %v", err)
			}
		})
	}
	group.Wait()
	linked(t, one, user, want...)
}
