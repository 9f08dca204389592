package discovery_test

import (
	"fmt"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/countersign/countersign/discovery"
	"github.com/countersign/countersign/internal/optest"
)

// TestBudgetConcurrent: a concurrent flood of random kids causes 1+3 fetches, while the clock
// does not move.
func TestBudgetConcurrent(t *testing.T) {
	s := optest.New(t)
	c := newClock()
	p := &discovery.Provider{Issuer: s.URL, Now: c.now}
	keys := p.Keys()
	verify(t, keys, token(s.Keys[0], 0), true)
	doc := optest.JWKS(s.Keys...)
	s.Replace("/jwks", func(w http.ResponseWriter, r *http.Request) {
		time.Sleep(time.Millisecond)
		answer(200, "application/json", string(doc))(w, r)
	})
	forger := optest.NewKey("x", "EdDSA")
	var jwts []string
	for i := range 4000 {
		forger.ID = fmt.Sprint("bogus-", i)
		jwts = append(jwts, token(forger, i))
	}
	var n atomic.Int64
	stop := time.Now().Add(3 * time.Second)
	var wg sync.WaitGroup
	for range 2000 {
		wg.Go(func() {
			for time.Now().Before(stop) {
				i := int(n.Add(1))
				keys.VerifySignature(t.Context(), jwts[i%len(jwts)])
			}
		})
	}
	wg.Wait()
	t.Logf("%d tokens, %d fetches", n.Load(), s.Hits("/jwks"))
	if got := s.Hits("/jwks"); got > 4 {
		t.Errorf("%d fetches, want at most 4", got)
	}
}

// TestClockBack: after a clock is set back, the budget and the refresh still work.
func TestClockBack(t *testing.T) {
	s, p, c := provider(t)
	keys := p.Keys()
	verify(t, keys, token(s.Keys[0], 0), true)
	forger := optest.NewKey("x", "ES256")
	for i := range 10 {
		forger.ID = fmt.Sprint("bogus-", i)
		verify(t, keys, token(forger, i), false)
	}
	c.pass(-6 * time.Hour) // NTP corrects a clock that was six hours ahead
	next := optest.NewKey("k2", "ES256")
	s.Rotate(next)
	for i := range 120 {
		c.pass(30 * time.Second)
		if _, err := keys.VerifySignature(t.Context(), token(next, 1)); err == nil {
			t.Logf("rotated key works after %v", time.Duration(i+1)*30*time.Second)
			if i > 1 {
				t.Error("late")
			}
			return
		}
	}
	t.Errorf("an hour after the clock came back a rotated key is still kept out; old key still accepted: %v", func() error { _, e := keys.VerifySignature(t.Context(), token(s.Keys[0], 1)); return e }())
}

func TestCacheControlOrder(t *testing.T) {
	for _, h := range [][]string{{"max-age=3600, no-cache"}, {"max-age=86400, no-store"}, {"max-age=86400", "no-store"}} {
		s, p, c := provider(t)
		s.Replace("/jwks", func(w http.ResponseWriter, _ *http.Request) {
			w.Header()["Cache-Control"] = h
			answer(200, "application/json", string(optest.JWKS(s.Keys...)))(w, nil)
		})
		keys := p.Keys()
		verify(t, keys, token(s.Keys[0], 0), true)
		c.pass(62 * time.Second)
		verify(t, keys, token(s.Keys[0], 0), true)
		if got := s.Hits("/jwks"); got != 2 {
			t.Errorf("%q: not fetched again after a minute", h)
		}
	}
}

func TestAge(t *testing.T) {
	s, p, c := provider(t)
	s.Replace("/jwks", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Cache-Control", "max-age=3600")
		w.Header().Set("Age", "3599")
		answer(200, "application/json", string(optest.JWKS(s.Keys...)))(w, nil)
	})
	keys := p.Keys()
	verify(t, keys, token(s.Keys[0], 0), true)
	c.pass(62 * time.Second)
	verify(t, keys, token(s.Keys[0], 0), true)
	if got := s.Hits("/jwks"); got != 2 {
		t.Errorf("Age ignored")
	}
}

// TestMetadataOddOptional: a fault in a member that is not used does not end a login.
func TestMetadataOddOptional(t *testing.T) {
	s := optest.New(t)
	for name, v := range map[string]any{
		"ui_locales_supported": "en", "op_policy_uri": []string{"https://x.example"}, "request_uri_parameter_supported": "true",
		"registration_endpoint": "http://as.example/reg", "authorization_details_types_supported": map[string]any{},
		"protected_resources": 1,
	} {
		s.Edit = func(m map[string]any) { m[name] = v }
		if _, err := discovery.Fetch(t.Context(), nil, s.URL); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestMetadataForKeysOnly: metadata of a server that signs tokens and has no login.
func TestMetadataForKeysOnly(t *testing.T) {
	s := optest.New(t)
	s.Edit = func(m map[string]any) { delete(m, "authorization_endpoint") }
	p := &discovery.Provider{Issuer: s.URL}
	verify(t, p.Keys(), token(s.Keys[0], 0), true)
}

// TestStaleStorm: while refreshes fail, there is one try every 30 seconds.
func TestStaleStorm(t *testing.T) {
	s, p, c := provider(t)
	keys := p.Keys()
	verify(t, keys, token(s.Keys[0], 0), true)
	s.Replace("/jwks", answer(400, "text/plain", "no"))
	c.pass(11 * time.Minute)
	for range 300 {
		c.pass(time.Second)
		verify(t, keys, token(s.Keys[0], 0), true)
	}
	if n := s.Hits("/jwks") - 1; n < 9 || n > 11 {
		t.Errorf("%d fetches in 5 minutes", n)
	}
}

// TestBackoff: without usable keys, a failing server gets few requests, and none during its
// Retry-After.
func TestBackoff(t *testing.T) {
	for _, test := range []struct {
		retry string
		most  int
	}{{"", 15}, {"3600", 1}} {
		s := optest.New(t)
		p := &discovery.Provider{Issuer: s.URL}
		s.Replace("/.well-known/openid-configuration", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Retry-After", test.retry)
			w.WriteHeader(429)
		})
		for start := time.Now(); time.Since(start) < time.Second; time.Sleep(2 * time.Millisecond) {
			if _, err := p.Metadata(t.Context()); err == nil {
				t.Fatal("no error")
			}
		}
		if n := s.Hits("/.well-known/openid-configuration"); n > 3*test.most {
			t.Errorf("Retry-After %q: %d requests in a second", test.retry, n)
		}
	}
}
