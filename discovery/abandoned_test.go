package discovery_test

import (
	"context"
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/countersign/countersign/internal/optest"
)

func slowJWKS(s *optest.Server, d time.Duration) {
	s.Replace("/jwks", func(w http.ResponseWriter, r *http.Request) {
		select {
		case <-time.After(d):
		case <-r.Context().Done():
			return
		}
		s.Lock()
		doc := optest.JWKS(s.Keys...)
		s.Unlock()
		answer(200, "application/json", string(doc))(w, r)
	})
}

// TestCancelBurnsBudget: clients that send unknown kids and disconnect do not block the fetch of
// a rotated key. JWKS-05.
func TestCancelBurnsBudget(t *testing.T) {
	s, p, c := provider(t)
	keys := p.Keys()
	verify(t, keys, token(s.Keys[0], 0), true)
	slowJWKS(s, 30*time.Millisecond)
	next := optest.NewKey("k2", "ES256")
	s.Rotate(s.Keys[0], next)
	forger := optest.NewKey("x", "ES256")
	n := 0
	hangUp := func() {
		n++
		forger.ID = fmt.Sprint("bogus-", n)
		ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
		defer cancel()
		keys.VerifySignature(ctx, token(forger, n))
		time.Sleep(2 * time.Millisecond)
	}
	for range 3 {
		hangUp()
	}
	good := func() bool { _, err := keys.VerifySignature(t.Context(), token(next, 1)); return err == nil }
	for round := range 15 { // 7.5 minutes
		if good() {
			t.Logf("got in after %d rounds", round)
			if round > 1 {
				t.Error("late")
			}
			return
		}
		c.pass(30 * time.Second)
		hangUp()
	}
	t.Errorf("a key rotated in is kept out for 7 minutes by one aborted request every 30 s")
}

// TestCancelHerd: at the start, callers that cancel do not cause a request each.
func TestCancelHerd(t *testing.T) {
	s, p, _ := provider(t)
	slowJWKS(s, 200*time.Millisecond)
	if _, err := p.Metadata(t.Context()); err != nil {
		t.Fatal(err)
	}
	keys := p.Keys()
	jwt := token(s.Keys[0], 0)
	start := time.Now()
	for range 100 {
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Millisecond)
		keys.VerifySignature(ctx, jwt)
		cancel()
	}
	if n := s.Hits("/jwks"); n > 5 {
		t.Errorf("%d fetches within %v", n, time.Since(start).Round(time.Millisecond))
	}
}
