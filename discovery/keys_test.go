package discovery_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/countersign/countersign/discovery"
	"github.com/countersign/countersign/internal/optest"
)

// clock is a clock that a test sets.
type clock struct{ atomic.Int64 }

func newClock() *clock {
	c := &clock{}
	c.Store(time.Now().UnixNano())
	return c
}

func (c *clock) now() time.Time        { return time.Unix(0, c.Load()) }
func (c *clock) pass(d time.Duration)  { c.Add(int64(d)) }
func token(k optest.Key, n int) string { return k.Sign(map[string]any{"n": n}, nil) }

// verify fails the test if the result for a token is not the expected one.
func verify(t *testing.T, keys discovery.KeySet, jwt string, good bool) {
	t.Helper()
	payload, err := keys.VerifySignature(t.Context(), jwt)
	if (err == nil) != good || (payload != nil) != good {
		t.Fatalf("got %s, %v; want good = %v", payload, err, good)
	}
	if err != nil && (len(err.Error()) > 1024 || strings.Contains(err.Error(), "eyJ")) {
		t.Errorf("the error is %q", err)
	}
}

func provider(t *testing.T) (*optest.Server, *discovery.Provider, *clock) {
	s, c := optest.New(t), newClock()
	return s, &discovery.Provider{Issuer: s.URL, Now: c.now}, c
}

// TestBudgetRandomIDs: a thousand tokens with different unknown kids cause three fetches after
// the first one. JWKS-05.
func TestBudgetRandomIDs(t *testing.T) {
	s, p, c := provider(t)
	keys := p.Keys()
	verify(t, keys, token(s.Keys[0], 0), true)
	forger := optest.NewKey("x", "ES256")
	for i := range 1000 {
		forger.ID = fmt.Sprint("bogus-", i)
		verify(t, keys, token(forger, i), false)
	}
	if got := s.Hits("/jwks"); got != 1+3 {
		t.Errorf("%d fetches", got)
	}
	// One more fetch every 30 seconds, so that a key that is rotated in during the flood is
	// found.
	next := optest.NewKey("k2", "ES256")
	s.Rotate(s.Keys[0], next)
	verify(t, keys, token(next, 1), false)
	c.pass(30 * time.Second)
	verify(t, keys, token(next, 2), true)
	for i := range 100 {
		forger.ID = fmt.Sprint("more-", i)
		verify(t, keys, token(forger, i), false)
	}
	if got := s.Hits("/jwks"); got != 1+3+1 {
		t.Errorf("%d fetches", got)
	}
	verify(t, keys, token(s.Keys[0], 3), true)
}

// TestBudgetKnownID: bad signatures under a known kid, and tokens without a kid, cause no fetch.
// JWKS-05.
func TestBudgetKnownID(t *testing.T) {
	s, p, _ := provider(t)
	s.Rotate(optest.NewKey("k1", "ES256"))
	keys := p.Keys()
	forger := optest.NewKey("k1", "ES256")
	for i := range 1000 {
		verify(t, keys, token(forger, i), false)
		verify(t, keys, forger.Sign(nil, map[string]any{"kid": nil}), false)
		verify(t, keys, forger.Sign(nil, map[string]any{"alg": "RS256"}), false)
	}
	if got := s.Hits("/jwks"); got != 1 {
		t.Errorf("%d fetches", got)
	}
}

// TestRotationAfterBogusID: an unknown kid does not block the fetch of a rotated key.
func TestRotationAfterBogusID(t *testing.T) {
	s, p, _ := provider(t)
	keys := p.Keys()
	verify(t, keys, token(s.Keys[0], 0), true)
	verify(t, keys, token(optest.NewKey("bogus", "ES256"), 0), false)
	next := optest.NewKey("k2", "ES256")
	s.Rotate(s.Keys[0], next)
	verify(t, keys, token(next, 1), true)
	verify(t, keys, token(s.Keys[0], 1), true)
	if got := s.Hits("/jwks"); got != 3 {
		t.Errorf("%d fetches", got)
	}
}

// TestBogusIDRemembered: the same unknown kid causes at most one fetch a minute.
func TestBogusIDRemembered(t *testing.T) {
	s, p, c := provider(t)
	keys := p.Keys()
	bogus := optest.NewKey("bogus", "ES256")
	for range 100 {
		verify(t, keys, token(bogus, 0), false)
	}
	if got := s.Hits("/jwks"); got != 2 {
		t.Errorf("%d fetches", got)
	}
	c.pass(61 * time.Second)
	s.Rotate(bogus)
	verify(t, keys, token(bogus, 0), true)
}

// TestRotationWithoutOverlap: a removed key is rejected after the next fetch. JWKS-06.
func TestRotationWithoutOverlap(t *testing.T) {
	s, p, c := provider(t)
	keys := p.Keys()
	old, next := s.Keys[0], optest.NewKey("k2", "ES256")
	verify(t, keys, token(old, 0), true)
	s.Rotate(next)
	verify(t, keys, token(old, 1), true)
	verify(t, keys, token(next, 1), true)
	verify(t, keys, token(old, 2), false)

	s.Rotate()
	c.pass(10 * time.Minute)
	verify(t, keys, token(next, 2), false)
}

// TestOutage: known keys are used for a day without the server. An invalid key set does not
// replace a valid one. JWKS-01, JWKS-06.
func TestOutage(t *testing.T) {
	for name, h := range map[string]http.HandlerFunc{
		"500":           answer(500, "application/json", "{}"),
		"HTML":          answer(200, "text/html", "<html>"),
		"empty":         answer(200, "application/json", ""),
		"null":          answer(200, "application/json", "null"),
		"an array":      answer(200, "application/json", "[]"),
		"no keys":       answer(200, "application/json", "{}"),
		"keys null":     answer(200, "application/json", `{"keys":null}`),
		"trailing data": answer(200, "application/json", `{"keys":[]} x`),
		"101 keys":      answer(200, "application/json", `{"keys":[`+strings.Repeat(`{},`, 100)+`{}]}`),
		"a redirect": func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "https://evil.example", http.StatusFound)
		},
		"half": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "100")
			w.Write([]byte(`{"ke`))
		},
		"a hang-up": func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, p, c := provider(t)
			keys := p.Keys()
			verify(t, keys, token(s.Keys[0], 0), true)
			s.Replace("/jwks", h)
			for range 3 {
				c.pass(11 * time.Minute)
				verify(t, keys, token(s.Keys[0], 1), true)
			}
			c.pass(24 * time.Hour)
			_, err := keys.VerifySignature(t.Context(), token(s.Keys[0], 2))
			var e *discovery.Error
			if !errors.As(err, &e) || e.Document != "key set" {
				t.Fatalf("after a day: %v", err)
			}
			s.Replace("/jwks", nil)
			for range 2000 {
				if _, err = keys.VerifySignature(t.Context(), token(s.Keys[0], 3)); err == nil {
					return
				}
				time.Sleep(10 * time.Millisecond)
			}
			t.Errorf("does not recover: %v", err)
		})
	}
}

func answer(status int, contentType, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", contentType)
		w.WriteHeader(status)
		w.Write([]byte(body))
	}
}

// TestHuge: a key set of 200 MiB is not read completely.
func TestHuge(t *testing.T) {
	s, p, _ := provider(t)
	sent := make(chan int, 10)
	s.Replace("/jwks", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		n, chunk := 0, []byte(strings.Repeat(" ", 1<<20))
		for n < 200<<20 {
			k, err := w.Write(chunk)
			if n += k; err != nil {
				break
			}
		}
		sent <- n
	})
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	verify(t, p.Keys(), token(s.Keys[0], 0), false)
	runtime.ReadMemStats(&after)
	if n := <-sent; n > 50<<20 {
		t.Errorf("%d MiB were sent", n>>20)
	}
	if grown := after.TotalAlloc - before.TotalAlloc; grown > 20<<20 {
		t.Errorf("%d MiB were allocated", grown>>20)
	}
}

// TestSlow: while a fetch is under way, callers use the keys that they have.
func TestSlow(t *testing.T) {
	s, p, c := provider(t)
	keys := p.Keys()
	verify(t, keys, token(s.Keys[0], 0), true)
	release := make(chan struct{})
	defer close(release)
	s.Replace("/jwks", func(_ http.ResponseWriter, r *http.Request) {
		select {
		case <-release:
		case <-r.Context().Done():
		}
	})
	c.pass(11 * time.Minute)
	start := time.Now()
	for i := range 100 {
		verify(t, keys, token(s.Keys[0], i), true)
	}
	if took := time.Since(start); took > 30*time.Second { // 100 if each call had waited
		t.Errorf("100 tokens took %v", took)
	}
}

// TestStart: a thousand goroutines cause one fetch of each document. A cancelled one does not
// fail the others.
func TestStart(t *testing.T) {
	s, p, _ := provider(t)
	keys := p.Keys()
	hurried, cancel := context.WithCancel(t.Context())
	s.Replace("/.well-known/openid-configuration", func(w http.ResponseWriter, r *http.Request) {
		cancel()
		time.Sleep(50 * time.Millisecond)
		s.Replace("/.well-known/openid-configuration", nil)
		w.WriteHeader(http.StatusInternalServerError)
	})
	jwt := token(s.Keys[0], 0)
	var failed atomic.Int32
	var wg sync.WaitGroup
	for i := range 1000 {
		wg.Go(func() {
			ctx := context.Background()
			if i == 0 {
				ctx = hurried
			}
			if _, err := keys.VerifySignature(ctx, jwt); err != nil {
				failed.Add(1)
			}
		})
	}
	wg.Wait()
	if n := failed.Load(); n > 1 {
		t.Errorf("%d failed", n)
	}
	if got := s.Hits("/jwks"); got != 1 {
		t.Errorf("%d fetches", got)
	}
}

// TestCancelled: a cancelled caller returns while the fetch continues for another one. When all
// have left, no goroutine stays.
func TestCancelled(t *testing.T) {
	s, p, _ := provider(t)
	asked := make(chan struct{}, 10)
	s.Replace("/jwks", func(_ http.ResponseWriter, r *http.Request) {
		asked <- struct{}{}
		<-r.Context().Done()
	})
	if _, err := p.Metadata(t.Context()); err != nil {
		t.Fatal(err)
	}
	before := runtime.NumGoroutine()
	caller := func() (leave context.CancelFunc, ended chan error) {
		ctx, leave := context.WithCancel(t.Context())
		ended = make(chan error, 1)
		go func() {
			_, err := p.Keys().VerifySignature(ctx, token(s.Keys[0], 0))
			ended <- err
		}()
		return leave, ended
	}
	leaveLater, later := caller()
	<-asked
	leave, ended := caller()
	leave()
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	select {
	case err := <-later:
		t.Errorf("the other caller got %v", err)
	default:
	}
	leaveLater()
	if err := <-later; !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	for range 2000 { // a fetch that all callers have left continues for a while, for the next caller
		if runtime.NumGoroutine() <= before+1 { // one may be the test server's connection
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Errorf("%d goroutines before, %d after", before, runtime.NumGoroutine())
}

// TestCacheControl: max-age is used within limits. JWKS-07.
func TestCacheControl(t *testing.T) {
	for _, test := range []struct {
		header string
		fresh  time.Duration
	}{
		{"", 10 * time.Minute},
		{"public, max-age=3600", time.Hour},
		{"max-age=1", time.Minute},
		{"max-age=0", time.Minute},
		{"no-store", time.Minute},
		{"no-cache, max-age=3600", time.Minute},
		{"max-age=999999999", 24 * time.Hour},
		{"max-age=99999999999999999999", 10 * time.Minute},
		{"max-age=-5", time.Minute},
		{"max-age=soon", 10 * time.Minute},
	} {
		s, p, c := provider(t)
		s.Replace("/jwks", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Cache-Control", test.header)
			answer(200, "application/json", string(optest.JWKS(s.Keys...)))(w, nil)
		})
		keys := p.Keys()
		verify(t, keys, token(s.Keys[0], 0), true)
		c.pass(test.fresh - time.Second)
		verify(t, keys, token(s.Keys[0], 0), true)
		if got := s.Hits("/jwks"); got != 1 {
			t.Errorf("%q: fetched again too early", test.header)
		}
		c.pass(2 * time.Second)
		verify(t, keys, token(s.Keys[0], 0), true)
		if got := s.Hits("/jwks"); got != 2 {
			t.Errorf("%q: not fetched again after %v", test.header, test.fresh)
		}
	}
}

// TestIssuersApart: a key of one server never verifies a token of another, even with the same
// kid. JWKS-08.
func TestIssuersApart(t *testing.T) {
	a, pa, _ := provider(t)
	_, pb, _ := provider(t)
	same := optest.NewKey("same", "ES256")
	a.Rotate(same)
	verify(t, pa.Keys(), token(same, 0), true)
	verify(t, pb.Keys(), token(same, 0), false)
}
