package client_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"net/url"
	"os"
	"runtime"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/countersign/countersign/client"
	"github.com/countersign/countersign/internal/optest"
)

// faults is a seeded schedule of the server's faults. It counts the responses without a fault.
type faults struct {
	mu    sync.Mutex
	rand  *rand.Rand
	quiet atomic.Bool
}

func (f *faults) next() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.rand.IntN(40)
}

// wrap adds a fault to about one response in five.
func (f *faults) wrap(path string, next http.HandlerFunc) http.HandlerFunc {
	if path == "/authorize" || f.quiet.Load() { // faults of the browser's own requests are not tested
		return next
	}
	return func(w http.ResponseWriter, r *http.Request) {
		switch f.next() {
		case 0:
			panic(http.ErrAbortHandler) // a reset
		case 1: // a cut answer
			w.Header().Set("Content-Type", "application/json")
			w.Header().Set("Content-Length", "1000")
			fmt.Fprint(w, `{"access_token":"cut`)
		case 2:
			w.WriteHeader(http.StatusBadGateway)
		case 3:
			w.Header().Set("Retry-After", "1")
			w.WriteHeader(http.StatusTooManyRequests)
		case 4: // slow, but in time
			time.Sleep(20 * time.Millisecond)
			next(w, r)
		case 5:
			w.Header().Set("Content-Type", "text/html")
			fmt.Fprint(w, "<html>maintenance</html>")
		case 6: // a token for another client
			w.Header().Set("Content-Type", "application/json")
			fmt.Fprint(w, `{"access_token":"evil","token_type":"Bearer","id_token":"eyJhbGciOiJub25lIn0.e30."}`)
		default:
			next(w, r)
		}
	}
}

// TestSoak signs in many times while the server fails in every way. No wrong response is
// accepted, every failure is a typed error, and nothing grows. SOAK is the number of logins.
// Without it there are a few.
func TestSoak(t *testing.T) {
	logins := 400
	if n, err := strconv.Atoi(os.Getenv("SOAK")); err == nil {
		logins = n
	}
	slog.SetDefault(slog.New(slog.NewTextHandler(io.Discard, nil)))
	s := optest.New(t)
	s.Rotate(optest.NewKey("k1", "ES256"))
	f := &faults{rand: rand.New(rand.NewPCG(1, 2))}
	s.Wrap = f.wrap
	cfg := config(s)
	cfg.IDTokenAlgs = []string{"ES256"}
	hc := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 8}}
	cfg.HTTP = hc
	c := newClient(t, cfg)

	idle := func() int { // the rest when no idle connection is kept
		hc.CloseIdleConnections()
		http.DefaultClient.CloseIdleConnections()
		time.Sleep(50 * time.Millisecond)
		return runtime.NumGoroutine()
	}
	half := soak(t, s, c, logins/2)
	s.Forget() // the server's state is not the client's
	goroutines, middle := idle(), heap()
	rest := soak(t, s, c, logins-logins/2)
	s.Forget()
	if grown := int64(heap()) - int64(middle); grown > int64(middle)/5+2<<20 {
		t.Errorf("the heap grew by %d KiB in the second half, from %d", grown>>10, middle>>10)
	}
	for range 200 {
		if idle() <= goroutines+4 {
			break
		}
	}
	if n := idle(); n > goroutines+4 {
		t.Errorf("%d goroutines, %d in the middle", n, goroutines)
	}
	ok := half + rest
	t.Logf("%d logins, %d succeeded, the others with a typed error", logins, ok)
	if ok < logins/3 || ok == logins {
		t.Errorf("%d of %d succeeded: the schedule is not what it should be", ok, logins)
	}
	f.quiet.Store(true)
	for range 500 {
		if _, err := login(t, s, c); err == nil {
			return
		}
		time.Sleep(50 * time.Millisecond)
	}
	t.Error("does not recover when the faults are over")
}

func heap() uint64 {
	for range 3 { // values in pools and values with finalizers need more than one
		runtime.GC()
	}
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// soak runs logins, 16 at a time, and counts those that succeed.
func soak(t *testing.T, s *optest.Server, c *client.Client, n int) int {
	var ok atomic.Int32
	var wg sync.WaitGroup
	slots := make(chan struct{}, 16)
	for range n {
		slots <- struct{}{}
		wg.Go(func() {
			defer func() { <-slots }()
			tokens, err := soakLogin(t, s, c)
			var e *client.Error
			switch {
			case err == nil && tokens.IDToken.Subject == optest.Subject && tokens.AccessToken != "evil":
				ok.Add(1)
			case err == nil:
				t.Errorf("wrongly accepted: %v", tokens)
			case !errors.As(err, &e) || e.Code == "" || e.Step == "":
				t.Errorf("an error without a type: %v", err)
			}
		})
	}
	wg.Wait()
	return int(ok.Load())
}

func soakLogin(t *testing.T, s *optest.Server, c *client.Client) (*client.Tokens, error) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	redirect, pending, err := c.Begin(ctx, client.Request{})
	if err != nil {
		return nil, err
	}
	var back url.Values = s.Visit(t, redirect)
	tokens, err := c.Finish(ctx, pending, back)
	if err != nil {
		return nil, err
	}
	if _, err := c.UserInfo(ctx, tokens); err != nil {
		return nil, err
	}
	return tokens, nil
}
