package rs_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/countersign/countersign/internal/optest"
	"github.com/countersign/countersign/rs"
)

// fakeStore is a store in memory, which can be down.
type fakeStore struct {
	mu     sync.Mutex
	values map[string][]byte
	until  map[string]time.Time
	down   bool
}

var (
	errDown                = errors.New("the store is down")
	_       rs.SharedStore = &fakeStore{}
	_       rs.ReplayStore = &fakeStore{}
)

func newStore() *fakeStore {
	return &fakeStore{values: map[string][]byte{}, until: map[string]time.Time{}}
}

func (f *fakeStore) Load(_ context.Context, key string) ([]byte, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.down {
		return nil, errDown
	}
	return f.values[key], nil
}

func (f *fakeStore) Save(_ context.Context, key string, value []byte, until time.Time) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.down {
		return errDown
	}
	f.values[key], f.until[key] = bytes.Clone(value), until
	return nil
}

func (f *fakeStore) Delete(_ context.Context, key string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.down {
		return errDown
	}
	delete(f.values, key)
	return nil
}

func (f *fakeStore) Once(_ context.Context, key string, _ time.Time) (bool, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.down {
		return false, errDown
	}
	_, was := f.values[key]
	f.values[key] = []byte{1}
	return !was, nil
}

// fleet is several processes of an API with one store and one clock.
type fleet struct {
	*testing.T
	server *optest.Server
	store  *fakeStore
	clock  time.Time
	caches []*rs.Cache
	events log
}

const fleetMaxAge = 5 * time.Minute

func newFleet(t *testing.T, processes int) *fleet {
	f := &fleet{T: t, server: optest.New(t), store: newStore(), clock: time.Now()}
	f.server.Now = f.now
	for range processes {
		f.caches = append(f.caches, f.process())
	}
	return f
}

func (f *fleet) now() time.Time { return f.clock }

// process is one more process with an empty memory.
func (f *fleet) process() *rs.Cache {
	i := introspection(f.server)
	i.Now = f.now
	return &rs.Cache{
		Tokens: &rs.JWTOrOpaque{JWT: jwtVerifier(f.server), Opaque: i}, MaxAge: fleetMaxAge, Now: f.now,
		Shared: f.store, SharedKey: []byte("canary-key of the API, 32 bytes long"), Counter: &f.events,
	}
}

// check sends the token to a process, and returns the number of requests to the server.
func (f *fleet) check(process int, good bool, asked int) {
	f.Helper()
	p, err := f.caches[process].VerifyToken(f.Context(), "canary-opaque")
	if (err == nil) != good || good && (p.Subject != "alice" || p.ClientID != "rp" || !p.HasScope("photos.read") || p.Issuer != f.server.URL) {
		f.Errorf("process %d: %v, %v", process, p, err)
	}
	if n := f.server.Hits("/introspect"); n != asked {
		f.Errorf("process %d: introspected %d times, want %d", process, n, asked)
	}
}

// TestShared: all processes use the response that one process got, until MaxAge after its
// request. RS-14.
func TestShared(t *testing.T) {
	f := newFleet(t, 4)
	for i := range 4 {
		f.check(i, true, 1)
		f.check(i, true, 1)
	}
	f.clock = f.clock.Add(fleetMaxAge - time.Second)
	f.check(0, true, 1)
	f.clock = f.clock.Add(time.Second)
	f.check(0, true, 2)
	f.check(1, true, 2)
	for key, value := range f.store.values {
		for _, secret := range []string{"canary", "opaque", "alice", f.server.URL, optest.Audience} {
			if strings.Contains(key+string(value), secret) {
				t.Errorf("the store can read %q", secret)
			}
		}
		if f.store.until[key].After(f.clock.Add(fleetMaxAge)) {
			t.Errorf("kept until %v", f.store.until[key])
		}
	}
}

// TestSharedExpiry: a response is neither used nor stored after exp.
func TestSharedExpiry(t *testing.T) {
	f := newFleet(t, 2)
	exp := f.clock.Unix() + 20
	f.server.Active = m{"active": true, "sub": "alice", "client_id": "rp", "scope": "photos.read", "aud": optest.Audience, "exp": exp}
	f.check(0, true, 1)
	for _, until := range f.store.until {
		if until.Unix() != exp {
			t.Errorf("kept until %v", until)
		}
	}
	f.check(1, true, 1)
	f.clock = f.clock.Add(21 * time.Second)
	f.check(1, true, 2) // within the skew of the server, but not of the store
	f.check(0, true, 3)
}

// TestSharedInvalidate: at most 5 seconds after Invalidate in one process, every process asks
// again. A response that was under way is not cached.
func TestSharedInvalidate(t *testing.T) {
	f := newFleet(t, 4)
	for i := range 4 {
		f.check(i, true, 1)
	}
	if err := f.caches[2].Invalidate(t.Context(), "canary-opaque"); err != nil {
		t.Fatal(err)
	}
	f.server.Lock()
	f.server.Active = m{"active": false}
	f.server.Unlock()
	f.check(2, false, 2)
	f.clock = f.clock.Add(5 * time.Second)
	for i, asked := range []int{3, 4, 4, 5} {
		f.check(i, false, asked)
	}
}

// TestSharedInvalidateMeanwhile: a response from before an Invalidate is not shared afterwards.
func TestSharedInvalidateMeanwhile(t *testing.T) {
	f := newFleet(t, 3)
	f.server.Replace("/introspect", func(w http.ResponseWriter, _ *http.Request) {
		f.caches[1].Invalidate(t.Context(), "canary-opaque")
		optest.JSON(w, 200, m{"active": true, "sub": "alice", "client_id": "rp", "scope": "photos.read", "aud": optest.Audience})
	})
	f.check(0, true, 1)
	f.check(2, true, 2)
	f.server.Replace("/introspect", nil)
	f.clock = f.clock.Add(31 * time.Second)
	f.check(0, true, 3)
	f.check(2, true, 3) // shared again
}

// TestSharedInvalidateIf: after InvalidateIf a process does not use the store's response.
func TestSharedInvalidateIf(t *testing.T) {
	f := newFleet(t, 2)
	f.check(0, true, 1)
	f.caches[0].InvalidateIf(func(p *rs.Principal) bool { return p.Subject == "alice" })
	f.check(0, true, 2)
	f.check(1, true, 2)
	f.clock = f.clock.Add(40 * time.Second)
	f.check(0, true, 3)
	f.clock = f.clock.Add(40 * time.Second)
	f.check(0, true, 3)
}

// TestSharedInactive: if the server reports a token as inactive, its response is removed from the
// store.
func TestSharedInactive(t *testing.T) {
	f := newFleet(t, 2)
	f.check(0, true, 1)
	f.caches[0].InvalidateIf(func(*rs.Principal) bool { return true })
	f.server.Active = m{"active": false}
	f.check(0, false, 2)
	f.check(1, false, 3)
	if len(f.store.values) > 0 {
		t.Errorf("%d values left", len(f.store.values))
	}
}

// TestSharedDown: without the store each process asks the server, and Invalidate returns an
// error. Every proof is rejected, because it cannot be compared with used ones: RS-11.
func TestSharedDown(t *testing.T) {
	f := newFleet(t, 4)
	f.store.down = true
	for i := range 4 {
		f.check(i, true, i+1)
		f.check(i, true, i+1)
	}
	if err := f.caches[0].Invalidate(t.Context(), "canary-opaque"); !errors.Is(err, errDown) {
		t.Errorf("Invalidate: %v", err)
	}
	if !strings.Contains(strings.Join(f.events.events, " "), "cache_miss store_failed cache_hit") {
		t.Errorf("%q", f.events.events)
	}
	f.store.down = false
	f.check(0, true, 5)
	f.clock = f.clock.Add(5 * time.Second)
	f.check(1, true, 5)

	s, h := optest.New(t), newHolder(t)
	token := s.AccessToken(m{"cnf": m{"jkt": h.thumbprint}}, nil)
	p := withDPoP(jwtVerifier(s), &rs.DPoP{Replay: f.store})
	first := dpopHeader(token, h.proof(token, base+"/", nil))
	for _, want := range []int{200, 401} {
		if w := ask(p, first, "/"); w.Code != want {
			t.Errorf("a proof: %d, want %d", w.Code, want)
		}
	}
	f.store.down = true
	if w := ask(p, dpopHeader(token, h.proof(token, base+"/", nil)), "/"); w.Code != 503 || strings.Contains(w.Body.String(), "store") {
		t.Errorf("without the replay store: %d %s", w.Code, w.Body)
	}
}

// TestSharedForeign: values of another writer, or for another API, are not used.
func TestSharedForeign(t *testing.T) {
	f := newFleet(t, 1)
	f.check(0, true, 1)
	for name, edit := range map[string]func(*rs.Cache){
		"another key":      func(c *rs.Cache) { c.SharedKey = []byte("canary-key of another API, 32 bytes or more") },
		"another audience": func(c *rs.Cache) { c.Tokens.(*rs.JWTOrOpaque).Opaque.(*rs.Introspection).Audience = "x" },
		"a changed value": func(*rs.Cache) {
			for _, v := range f.store.values {
				v[len(v)-1] ^= 1
			}
		},
		"a short value": func(*rs.Cache) {
			for k := range f.store.values {
				f.store.values[k] = []byte("x")
			}
		},
		"a huge value": func(*rs.Cache) {
			for k := range f.store.values {
				f.store.values[k] = make([]byte, 1<<20)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			before, c := f.server.Hits("/introspect"), f.process()
			edit(c)
			c.VerifyToken(t.Context(), "canary-opaque")
			if n := f.server.Hits("/introspect"); n != before+1 {
				t.Errorf("introspected %d times", n-before)
			}
		})
	}
}

// TestSharedCrowd: four processes with many requests at once cause at most one request each. A
// process that starts later causes none.
func TestSharedCrowd(t *testing.T) {
	f := newFleet(t, 4)
	for _, c := range f.caches {
		c.Counter = nil
	}
	var all sync.WaitGroup
	for i := range 1000 {
		all.Go(func() {
			if _, err := f.caches[i%4].VerifyToken(t.Context(), "canary-opaque"); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	n := f.server.Hits("/introspect")
	if n < 1 || n > 4 {
		t.Errorf("introspected %d times", n)
	}
	f.caches = append(f.caches, f.process())
	f.check(4, true, n)
}

// TestSharedRefuses: an incomplete configuration is rejected, and the key is not printed.
func TestSharedRefuses(t *testing.T) {
	f := newFleet(t, 1)
	for name, edit := range map[string]func(*rs.Cache){
		"no key":           func(c *rs.Cache) { c.SharedKey = nil },
		"a short key":      func(c *rs.Cache) { c.SharedKey = make([]byte, 31) },
		"no introspection": func(c *rs.Cache) { c.Tokens = jwtVerifier(f.server) },
	} {
		c := f.process()
		edit(c)
		if w := ask(quiet(c), bearer("canary-opaque"), "/"); w.Code != 503 {
			t.Errorf("%s: %d", name, w.Code)
		}
		if err := c.Invalidate(t.Context(), "canary-opaque"); err == nil {
			t.Errorf("%s: Invalidate says nothing", name)
		}
	}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s"} {
		if s := fmt.Sprintf(verb, f.caches[0]); strings.Contains(s, "canary") || strings.Contains(s, "99 97 110") {
			t.Errorf("%s: %s", verb, s)
		}
	}
}
