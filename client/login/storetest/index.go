package storetest

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

func testIndex(t *testing.T, open func() Index) {
	one, two := open(), open()
	t.Run("sets", func(t *testing.T) { sets(t, one, two) })
	t.Run("the later time counts", func(t *testing.T) { t.Parallel(); laterTime(t, one, two) })
	t.Run("expired", func(t *testing.T) { t.Parallel(); expiredLinks(t, one, two) })
	t.Run("added after it expired", func(t *testing.T) { t.Parallel(); linkedAgain(t, one, two) })
	t.Run("separators", func(t *testing.T) { separators(t, one) })
	t.Run("removed at another process", func(t *testing.T) { unlinkedElsewhere(t, one, two) })
	t.Run("a time that has passed", func(t *testing.T) { pastLink(t, one) })
	t.Run("extended", func(t *testing.T) { t.Parallel(); extendedLink(t, one, two) })
	t.Run("keys are exact", func(t *testing.T) { exactLinks(t, one) })
	t.Run("ended context", func(t *testing.T) { endedLinks(t, one) })
	t.Run("parallel", func(t *testing.T) { parallelLinks(t, one, two) })
	t.Run("exact time", func(t *testing.T) {
		t.Parallel()
		user := key("exact")
		exactTime(t, timed{
			add:    func(until time.Time) error { return one.Link(t.Context(), user, "a", until) },
			exists: func() (bool, error) { got, err := two.Linked(t.Context(), user); return len(got) > 0, err },
		})
	})
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
	slices.Sort(want)
	switch {
	case err != nil || len(got) != len(want):
		t.Errorf("Linked returned %d keys, %v; expected %d", len(got), err, len(want))
	case !slices.Equal(got, want):
		t.Error("Linked returned other keys")
	}
}

func sets(t *testing.T, one, two Index) {
	user, other := key("user"), key("other")
	linked(t, one, user)
	link(t, one, user, "a", later())
	link(t, two, user, "b", later())
	link(t, one, user, "b", later()) // a second time: still one key
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
	link(t, one, user, "a", later()) // again after it was removed
	linked(t, two, user, "a", "b")
	if err := one.Unlink(t.Context(), key("nobody"), "a"); err != nil {
		t.Errorf("Unlink from a set that does not exist: %v", err)
	}
}

// laterTime: a session that was extended must not leave the set early.
func laterTime(t *testing.T, one, two Index) {
	user := key("user")
	link(t, one, user, "a", later())
	brief(t, func(until time.Time) error { return two.Link(t.Context(), user, "a", until) })
	time.Sleep(2 * short)
	linked(t, one, user, "a")
}

// extendedLink: a session that is extended stays in the set.
func extendedLink(t *testing.T, one, two Index) {
	user := key("user")
	brief(t, func(until time.Time) error { return one.Link(t.Context(), user, "a", until) })
	link(t, two, user, "a", later())
	time.Sleep(2 * short)
	linked(t, one, user, "a")
}

// exactLinks: neither sets nor their members are mistaken for others.
func exactLinks(t *testing.T, s Index) {
	user, member := key("Exact"), "Member"+longKey()[:190]
	link(t, s, user, member, later())
	for _, other := range similar(user) {
		linked(t, s, other)
	}
	for _, other := range similar(member) {
		if err := s.Unlink(t.Context(), user, other); err != nil {
			t.Errorf("Unlink: %v", err)
		}
	}
	linked(t, s, user, member)
	link(t, s, user, strings.ToLower(member), later())
	linked(t, s, user, member, strings.ToLower(member))
}

func endedLinks(t *testing.T, s Index) {
	user := key("user")
	link(t, s, user, "a", later())
	_, err := s.Linked(ended(t), user)
	wantEnded(t, "Linked", err)
	wantEnded(t, "Link", s.Link(ended(t), user, "b", later()))
	wantEnded(t, "Unlink", s.Unlink(ended(t), user, "a"))
}

// expiredLinks: each key leaves the set at its own time, in whatever order they were added.
func expiredLinks(t *testing.T, one, two Index) {
	for _, order := range [][]string{{"a", "b"}, {"b", "a"}} {
		expiredLink(t, one, two, order)
	}
}

func expiredLink(t *testing.T, one, two Index, order []string) {
	user := key("user")
	for _, member := range order {
		if member == "b" {
			link(t, one, user, member, later())
			continue
		}
		brief(t, func(until time.Time) error { return one.Link(t.Context(), user, member, until) })
	}
	eventually(t, "the link expires", func() bool { got, err := two.Linked(t.Context(), user); return err == nil && len(got) == 1 })
	linked(t, one, user, "b")
}

// linkedAgain: a key that left the set at its time can be added again.
func linkedAgain(t *testing.T, one, two Index) {
	user := key("user")
	link(t, one, user, "a", time.Now().Add(short))
	eventually(t, "the link expires", func() bool { got, err := two.Linked(t.Context(), user); return err == nil && len(got) == 0 })
	link(t, one, user, "a", later())
	linked(t, two, user, "a")
}

// separators: where the name of a set ends and a key begins is not guessed.
func separators(t *testing.T, s Index) {
	user := key("user")
	for _, mark := range []string{":", "/", " ", "|", ","} {
		link(t, s, user+mark+"a", "b", later())
		link(t, s, user, "a"+mark+"b", later())
		linked(t, s, user+mark+"a", "b")
		linked(t, s, user, "a"+mark+"b")
		if err := s.Unlink(t.Context(), user, "a"+mark+"b"); err != nil {
			t.Errorf("Unlink: %v", err)
		}
		linked(t, s, user+mark+"a", "b")
	}
}

// unlinkedElsewhere: a process that has read a set sees what others add and remove afterwards.
func unlinkedElsewhere(t *testing.T, one, two Index) {
	user := key("user")
	link(t, one, user, "a", later())
	linked(t, one, user, "a")
	link(t, two, user, "b", later())
	linked(t, one, user, "a", "b")
	if err := two.Unlink(t.Context(), user, "a"); err != nil {
		t.Errorf("Unlink: %v", err)
	}
	linked(t, one, user, "b")
}

func pastLink(t *testing.T, s Index) {
	user := key("user")
	if err := s.Link(t.Context(), user, "a", time.Now().Add(-time.Second)); err != nil {
		return // an error is as good
	}
	linked(t, s, user)
}

// many is how many keys a set must be able to hold. All of them must be found.
const many = 1200

// parallelLinks: no key is lost that two processes add at the same time, and a large set is
// returned as a whole.
func parallelLinks(t *testing.T, one, two Index) {
	user := key("user")
	var want []string
	var group sync.WaitGroup
	for i := range 20 {
		s := []Index{one, two}[i%2]
		for n := range many / 20 {
			want = append(want, fmt.Sprintf("%02d.%04d", i, n))
		}
		group.Go(func() {
			for n := range many / 20 {
				if err := s.Link(t.Context(), user, fmt.Sprintf("%02d.%04d", i, n), later()); err != nil {
					t.Errorf("Link: %v", err)
				}
			}
		})
	}
	group.Wait()
	linked(t, one, user, want...)
}
