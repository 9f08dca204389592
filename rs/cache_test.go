package rs_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/countersign/countersign/discovery"
	"github.com/countersign/countersign/internal/optest"
	"github.com/countersign/countersign/rs"
)

// counting counts the calls of a verifier.
type counting struct {
	rs.Verifier
	calls atomic.Int32
}

func (c *counting) VerifyToken(ctx context.Context, token string) (*rs.Principal, error) {
	c.calls.Add(1)
	return c.Verifier.VerifyToken(ctx, token)
}

// TestCacheJWT: a cached JWT is accepted until its exp.
func TestCacheJWT(t *testing.T) {
	s := optest.New(t)
	clock := time.Now()
	now := func() time.Time { return clock }
	j := jwtVerifier(s)
	c := &rs.Cache{Tokens: j, Now: now}
	token := s.AccessToken(nil, nil)
	if _, err := c.VerifyToken(t.Context(), token); err != nil {
		t.Fatal(err)
	}
	j.Audience = "another" // the verifier now rejects the token
	first, err := c.VerifyToken(t.Context(), token)
	if err != nil {
		t.Fatalf("not from the cache: %v", err)
	}
	first.Subject = "mallory"
	if again, err := c.VerifyToken(t.Context(), token); err != nil || again.Subject != "alice" {
		t.Errorf("what one request does is seen by another: %v, %v", again, err)
	}
	j.Audience = optest.Audience
	if other, err := c.VerifyToken(t.Context(), s.AccessToken(m{"sub": "bob"}, nil)); err != nil || other.Subject != "bob" {
		t.Errorf("another token: %v, %v", other, err)
	}
	j.Audience = "another"
	clock = clock.Add(301 * time.Second)
	if _, err := c.VerifyToken(t.Context(), token); err == nil {
		t.Error("from the cache past exp")
	}
	j.Audience, clock = optest.Audience, clock.Add(-301*time.Second)
	if _, err := c.VerifyToken(t.Context(), token); err != nil {
		t.Fatal(err)
	}
	j.Audience, clock = "another", clock.Add(-time.Second)
	if _, err := c.VerifyToken(t.Context(), token); err == nil {
		t.Error("from the cache from before it was there")
	}
}

// TestCacheRemovedKey: when a key is removed, its cached tokens are rejected. JWKS-06.
func TestCacheRemovedKey(t *testing.T) {
	s := optest.New(t)
	clock := time.Now()
	provider := &discovery.Provider{Issuer: s.URL, Now: func() time.Time { return clock }}
	c := &rs.Cache{Tokens: &rs.JWT{Issuer: s.URL, Audience: optest.Audience, Keys: provider.Keys()}}
	s.Rotate(optest.NewKey("k1", "RS256"), optest.NewKey("k2", "RS256"))
	old := s.AccessToken(nil, nil)
	if _, err := c.VerifyToken(t.Context(), old); err != nil {
		t.Fatal(err)
	}
	clock = clock.Add(11 * time.Minute) // the key set is fetched again, and has changed
	s.Rotate(optest.NewKey("k2", "RS256"), optest.NewKey("k1", "RS256"))
	if _, err := c.VerifyToken(t.Context(), old); err != nil {
		t.Errorf("the key is in the set still: %v", err)
	}
	clock = clock.Add(11 * time.Minute)
	s.Rotate(optest.NewKey("k2", "RS256"))
	if _, err := c.VerifyToken(t.Context(), old); err == nil {
		t.Error("a token of a removed key is taken from the cache")
	}
	if _, err := c.VerifyToken(t.Context(), s.AccessToken(nil, nil)); err != nil {
		t.Error(err)
	}
	s.Close()
	clock = clock.Add(25 * time.Hour)
	if w := ask(quiet(c), bearer(s.AccessToken(nil, nil)), "/"); w.Code != 503 {
		t.Errorf("past the hard limit of the keys: %d", w.Code)
	}
}

// TestCacheForeignKeys: JWTs are not cached if the KeySet does not report changes of its keys.
func TestCacheForeignKeys(t *testing.T) {
	s := optest.New(t)
	j := jwtVerifier(s)
	inner := j.Keys
	var asked int
	j.Keys = keySetFunc(func(ctx context.Context, jwt string) ([]byte, error) {
		asked++
		return inner.VerifySignature(ctx, jwt)
	})
	c := &rs.Cache{Tokens: j}
	token := s.AccessToken(nil, nil)
	for range 3 {
		if _, err := c.VerifyToken(t.Context(), token); err != nil {
			t.Fatal(err)
		}
	}
	if asked > 3 || asked < 1 {
		t.Errorf("asked %d times", asked)
	}
}

type keySetFunc func(context.Context, string) ([]byte, error)

func (f keySetFunc) VerifySignature(ctx context.Context, jwt string) ([]byte, error) {
	return f(ctx, jwt)
}

// TestCacheIntrospection: a response is cached for MaxAge, at most until exp, and until
// Invalidate. A rejected token is cached briefly. RS-14.
func TestCacheIntrospection(t *testing.T) {
	s := optest.New(t)
	clock := time.Now()
	now := func() time.Time { return clock }
	s.Now = now
	i := introspection(s)
	i.Now = now
	c := &rs.Cache{Tokens: i, MaxAge: time.Minute, Now: now}
	hits := func(want int) {
		t.Helper()
		if n := s.Hits("/introspect"); n != want {
			t.Errorf("introspected %d times, want %d", n, want)
		}
	}
	check := func(token string, ok bool) {
		t.Helper()
		if _, err := c.VerifyToken(t.Context(), token); (err == nil) != ok {
			t.Errorf("%s: %v", token, err)
		}
	}
	check("canary-opaque", true)
	check("canary-opaque", true)
	hits(1)
	clock = clock.Add(61 * time.Second)
	check("canary-opaque", true)
	hits(2)
	c.Invalidate(t.Context(), "canary-opaque")
	check("canary-opaque", true)
	hits(3)
	c.InvalidateIf(func(p *rs.Principal) bool { return p.Subject == "bob" })
	check("canary-opaque", true)
	hits(3)
	c.InvalidateIf(func(p *rs.Principal) bool { return p.Subject == "alice" })
	check("canary-opaque", true)
	hits(4)

	check("unknown", false)
	check("unknown", false)
	hits(5)
	c.Invalidate(t.Context(), "unknown")
	check("unknown", false)
	hits(6)
	clock = clock.Add(11 * time.Second)
	check("unknown", false)
	hits(7)

	s.Active = m{"active": true, "sub": "alice", "aud": optest.Audience, "exp": clock.Unix() + 5}
	c.Invalidate(t.Context(), "canary-opaque")
	check("canary-opaque", true)
	clock = clock.Add(6 * time.Second)
	check("canary-opaque", true) // within the skew of the server, but not of the cache
	hits(9)
	s.Replace("/introspect", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(500) })
	for range 2 {
		if w := ask(quiet(c), bearer("another"), "/"); w.Code != 503 {
			t.Errorf("%d", w.Code)
		}
	}
	hits(11) // an error is not cached
}

// TestCacheInvalidateMeanwhile: a response that was under way during Invalidate is not cached.
func TestCacheInvalidateMeanwhile(t *testing.T) {
	s := optest.New(t)
	c := &rs.Cache{Tokens: introspection(s)}
	s.Replace("/introspect", func(w http.ResponseWriter, _ *http.Request) {
		c.Invalidate(t.Context(), "canary-opaque")
		optest.JSON(w, 200, m{"active": true, "sub": "alice", "aud": optest.Audience})
	})
	for range 2 {
		if _, err := c.VerifyToken(t.Context(), "canary-opaque"); err != nil {
			t.Fatal(err)
		}
	}
	if n := s.Hits("/introspect"); n != 2 {
		t.Errorf("introspected %d times", n)
	}
}

// TestCacheSingleFlight: a thousand requests at once with one token cause one request to the
// server.
func TestCacheSingleFlight(t *testing.T) {
	s := optest.New(t)
	release := make(chan struct{})
	s.Replace("/introspect", func(w http.ResponseWriter, _ *http.Request) {
		<-release
		optest.JSON(w, 200, m{"active": true, "sub": "alice", "aud": optest.Audience})
	})
	c := &rs.Cache{Tokens: introspection(s)}
	gone, cancel := context.WithCancel(t.Context())
	left := make(chan struct{})
	var all, started sync.WaitGroup
	for i := range 1000 {
		started.Add(1)
		all.Go(func() {
			started.Done()
			if i == 0 { // one caller cancels, and the others succeed
				if _, err := c.VerifyToken(gone, "canary-opaque"); err == nil {
					t.Error("who gave up got an answer")
				}
				close(left)
			} else if _, err := c.VerifyToken(t.Context(), "canary-opaque"); err != nil {
				t.Error(err)
			}
		})
	}
	started.Wait()
	for s.Hits("/introspect") == 0 {
		runtime.Gosched()
	}
	cancel()
	<-left
	close(release)
	all.Wait()
	if n := s.Hits("/introspect"); n != 1 {
		t.Errorf("introspected %d times", n)
	}
}

// TestCacheBounded: the memory of the cache is limited, and is as documented.
func TestCacheBounded(t *testing.T) {
	const size, each = 2000, 2 << 10
	own := verifierFunc(func(_ context.Context, token string) (*rs.Principal, error) {
		return &rs.Principal{Subject: token, Scopes: []string{token}}, nil
	})
	inner := &counting{Verifier: own}
	c := &rs.Cache{Tokens: inner, Size: size}
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	for i := range 20 * size {
		if _, err := c.VerifyToken(t.Context(), fmt.Sprint("token-", i)); err != nil {
			t.Fatal(err)
		}
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	if grown := int64(after.HeapAlloc) - int64(before.HeapAlloc); grown > size*each {
		t.Errorf("%d bytes for %d tokens", grown, size)
	}
	inner.calls.Store(0)
	for i := range 20 * size {
		c.VerifyToken(t.Context(), fmt.Sprint("token-", 20*size-1-i))
	}
	if kept := 20*size - int(inner.calls.Load()); kept > size || kept < size/4 {
		t.Errorf("%d of %d tokens were kept", kept, size)
	}
}

// TestCacheRefuses: an incomplete configuration is rejected.
func TestCacheRefuses(t *testing.T) {
	s := optest.New(t)
	for name, c := range map[string]*rs.Cache{
		"empty": {}, "no verifier behind": {Tokens: (*rs.JWT)(nil)}, "neither answer nor error": {Tokens: verifierFunc(func(context.Context, string) (*rs.Principal, error) { return nil, nil })},
		"negative size": {Tokens: jwtVerifier(s), Size: -1}, "negative age": {Tokens: jwtVerifier(s), MaxAge: -1}, "a long age": {Tokens: jwtVerifier(s), MaxAge: 2 * time.Hour},
	} {
		if w := ask(quiet(c), bearer(s.AccessToken(nil, nil)), "/"); w.Code != 503 {
			t.Errorf("%s: %d", name, w.Code)
		}
	}
	h := newHolder(t)
	bound := s.AccessToken(m{"cnf": m{"jkt": h.thumbprint}}, nil)
	c := &rs.Cache{Tokens: jwtVerifier(s)}
	p := withDPoP(c, &rs.DPoP{})
	for range 2 {
		if w := ask(p, dpopHeader(bound, h.proof(bound, base+"/", nil)), "/"); w.Code != 200 {
			t.Errorf("a bound token: %d", w.Code)
		}
		if w := ask(p, bearer(bound), "/"); w.Code != 401 {
			t.Errorf("a bound token without a proof: %d", w.Code)
		}
	}
	if _, err := c.VerifyToken(t.Context(), bound); err == nil {
		t.Error("a bound token is taken from the cache by who checks no proof")
	}
	fails := verifierFunc(func(context.Context, string) (*rs.Principal, error) { return nil, errors.New("no") })
	if _, err := (&rs.Cache{Tokens: fails}).VerifyToken(t.Context(), "x"); err == nil {
		t.Error("an error is an answer")
	}
}
