package rs_test

import (
	"context"
	"net/http"
	"testing"
	"time"

	"github.com/countersign/countersign/internal/optest"
	"github.com/countersign/countersign/rs"
)

// TestInvalidateInFlight: a request after Invalidate or InvalidateIf does not get the response of
// an earlier lookup. RS-20.
func TestInvalidateInFlight(t *testing.T) {
	for name, invalidate := range map[string]func(*rs.Cache){
		"Invalidate":   func(c *rs.Cache) { c.Invalidate(context.Background(), "canary-opaque") },
		"InvalidateIf": func(c *rs.Cache) { c.InvalidateIf(func(p *rs.Principal) bool { return p.Subject == "alice" }) },
	} {
		for _, shared := range []bool{false, true} {
			s := optest.New(t)
			asked, release := make(chan bool, 2), make(chan bool)
			first := true
			s.Replace("/introspect", func(w http.ResponseWriter, _ *http.Request) {
				s.Lock()
				old := first
				first = false
				s.Unlock()
				if old {
					asked <- true
					<-release
				}
				optest.JSON(w, 200, m{"active": old, "sub": "alice", "client_id": "rp", "aud": optest.Audience})
			})
			c := &rs.Cache{Tokens: introspection(s)}
			if shared {
				c.Shared, c.SharedKey = newStore(), []byte("canary-key of the API, 32 bytes long")
			}
			before := make(chan error)
			go func() {
				_, err := c.VerifyToken(context.Background(), "canary-opaque")
				before <- err
			}()
			<-asked
			invalidate(c)
			after := make(chan error)
			go func() {
				_, err := c.VerifyToken(context.Background(), "canary-opaque")
				after <- err
			}()
			select {
			case err := <-after:
				if err == nil {
					t.Errorf("%s, shared %v: the answer from before", name, shared)
				}
			case <-time.After(time.Minute):
				t.Errorf("%s, shared %v: waits for the lookup from before", name, shared)
			}
			close(release)
			if err := <-before; err != nil {
				t.Errorf("%s, shared %v: the request from before: %v", name, shared, err)
			}
			if _, err := c.VerifyToken(t.Context(), "canary-opaque"); err == nil {
				t.Errorf("%s, shared %v: the answer from before was remembered", name, shared)
			}
		}
	}
}

// lateStore saves the first response only after a signal.
type lateStore struct {
	*fakeStore
	saving, release chan bool
}

func (l *lateStore) Save(ctx context.Context, key string, value []byte, until time.Time) error {
	select {
	case l.saving <- true:
		<-l.release
	default:
	}
	return l.fakeStore.Save(ctx, key, value, until)
}

// TestSharedInvalidateLate: no process uses a response that reaches the store after an
// Invalidate. RS-20.
func TestSharedInvalidateLate(t *testing.T) {
	f := newFleet(t, 2)
	late := &lateStore{fakeStore: f.store, saving: make(chan bool, 1), release: make(chan bool)}
	f.caches[0].Shared, f.caches[0].Counter, f.caches[1].Counter = late, nil, nil
	done := make(chan error)
	go func() {
		_, err := f.caches[0].VerifyToken(context.Background(), "canary-opaque")
		done <- err
	}()
	for len(late.saving) == 0 {
		time.Sleep(time.Millisecond)
	}
	if err := f.caches[1].Invalidate(t.Context(), "canary-opaque"); err != nil {
		t.Fatal(err)
	}
	close(late.release)
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	f.server.Lock()
	f.server.Active = m{"active": false}
	f.server.Unlock()
	f.check(1, false, 2)
	f.clock = f.clock.Add(20 * time.Second)
	f.check(0, false, 3)
}
