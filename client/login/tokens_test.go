package login

import (
	"encoding/json"
	"fmt"
	"sync"
	"testing"
	"time"
)

func kept(name string) json.RawMessage { return json.RawMessage(fmt.Sprintf("%q", name)) }

// TestCarriedLatest: the tokens of the last refresh are used, even if the clocks of the processes
// that sealed the cookies differ.
func TestCarriedLatest(t *testing.T) {
	now := time.Now()
	c := &carriedTokens{now: func() time.Time { return now }}
	ahead := carried{At: now.Add(time.Hour), Kept: kept("of a cookie from a clock that is ahead")}
	c.observe(t.Context(), "k", ahead)
	c.Save(t.Context(), "k", kept("new"), now)
	c.observe(t.Context(), "k", ahead)
	if got, _ := c.Load(t.Context(), "k"); string(got) != `"new"` {
		t.Errorf("%s", got)
	}
	c.Delete(t.Context(), "k")
	c.observe(t.Context(), "k", ahead)
	if got, _ := c.Load(t.Context(), "k"); got != nil {
		t.Errorf("%s is back", got)
	}
	c.observe(t.Context(), "k", carried{At: now.Add(2 * time.Hour), Kept: kept("of another login")})
	if got, _ := c.Load(t.Context(), "k"); string(got) != `"of another login"` {
		t.Errorf("%s", got)
	}
}

// TestEndedCarriesNothing: a refresh during a logout finds no tokens.
func TestEndedCarriesNothing(t *testing.T) {
	now := time.Now()
	l := &sealedSessions{&Login{config: Config{Now: time.Now, Lifetime: time.Hour}, shared: &Memory{}, carried: &carriedTokens{now: time.Now}}}
	s := &session{ID: "id", Begun: now}
	l.login.carried.observe(t.Context(), tokensKey(hashed("id")), carried{At: now, Kept: kept("old")})
	if err := l.forget(t.Context(), s); err != nil {
		t.Fatal(err)
	}
	if got, _ := l.login.carried.Load(t.Context(), tokensKey(hashed("id"))); got != nil {
		t.Errorf("%s", got)
	}
}

// TestCarriedAtOnce: an older cookie that arrives during a refresh changes nothing.
func TestCarriedAtOnce(t *testing.T) {
	now := time.Now()
	c := &carriedTokens{now: func() time.Time { return now }}
	for i := range 3000 {
		key, old := fmt.Sprint(i%50), carried{At: now.Add(-time.Minute), Kept: kept("old")}
		c.memory.Delete(t.Context(), key)
		c.observe(t.Context(), key, old)
		var group sync.WaitGroup
		for range 3 {
			group.Go(func() { c.observe(t.Context(), key, old) })
		}
		group.Go(func() { c.Save(t.Context(), key, kept("new"), now) })
		group.Wait()
		if got, _ := c.Load(t.Context(), key); string(got) != `"new"` {
			t.Fatalf("round %d: %s", i, got)
		}
	}
}

// TestForgetFull: a session ends even if there is no room to store that its tokens have ended.
func TestForgetFull(t *testing.T) {
	c := &carriedTokens{memory: Memory{MaxEntries: 1}, now: time.Now}
	c.Save(t.Context(), "of another session", kept("new"), time.Now())
	l := &sealedSessions{&Login{config: Config{Now: time.Now, Lifetime: time.Hour}, shared: &Memory{}, carried: c}}
	s := &session{ID: "x", Begun: time.Now()}
	if l.forget(t.Context(), s) == nil {
		t.Error("nobody is told")
	}
	if ended, _ := l.login.shared.Load(t.Context(), "ended:"+hashed(s.ID)); ended == nil {
		t.Error("the session goes on")
	}
}
