package rs_test

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/countersign/countersign/internal/optest"
	"github.com/countersign/countersign/rs"
)

// TestLimit: Limit is called before a request to the server, and not for a cached token. RS-22.
func TestLimit(t *testing.T) {
	s := optest.New(t)
	ping := &rs.PingValidateBearer{URL: s.URL + "/token", Issuer: s.URL, Clients: []string{"rp"}, Auth: noAuth{}}
	i := introspection(s)
	var l log
	i.Counter = &l
	var asked int
	var wait time.Duration
	limit := func(r *http.Request) time.Duration {
		asked++
		if r == nil || r.RemoteAddr == "" || r.URL.Path != "/" {
			t.Errorf("the limiter gets %v", r)
		}
		return wait
	}
	i.Limit, ping.Limit = limit, limit
	p := quiet(&rs.Cache{Tokens: i})
	for _, token := range []string{"canary-opaque", "canary-opaque", "unknown", "unknown"} {
		ask(p, bearer(token), "/")
	}
	if asked != 2 {
		t.Errorf("asked %d times for 2 tokens", asked)
	}
	before := s.Hits("/introspect") + s.Hits("/token")
	for after, seconds := range map[time.Duration]string{time.Nanosecond: "1", time.Second: "1", 1001 * time.Millisecond: "2", time.Hour: "3600"} {
		wait = after
		for name, v := range map[string]rs.Verifier{"plain": i, "cached": p.Tokens, "either": &rs.JWTOrOpaque{JWT: jwtVerifier(s), Opaque: i}, "ping": ping} {
			w := ask(quiet(v), bearer("random"), "/")
			if w.Code != 429 || w.Header().Get("Retry-After") != seconds || w.Header().Get("WWW-Authenticate") != "" || !strings.Contains(w.Body.String(), "too many requests") {
				t.Errorf("%s: %d %v %s", name, w.Code, w.Header(), w.Body)
			}
		}
		if w := ask(p, bearer("canary-opaque"), "/"); w.Code != 200 {
			t.Errorf("a known token: %d", w.Code)
		}
		if w := ask(quiet(&rs.JWTOrOpaque{JWT: jwtVerifier(s), Opaque: i}), bearer(s.AccessToken(nil, nil)), "/"); w.Code != 200 {
			t.Errorf("a JWT: %d", w.Code)
		}
	}
	if n := s.Hits("/introspect") + s.Hits("/token"); n != before {
		t.Errorf("%d calls that were not allowed", n-before)
	}
	if !strings.Contains(strings.Join(l.events, " "), "limited") {
		t.Errorf("%q", l.events)
	}
	i.Limit = func(r *http.Request) time.Duration {
		if r != nil {
			t.Error("a request from nowhere")
		}
		return 0
	}
	if _, err := i.VerifyToken(t.Context(), "canary-opaque"); err != nil {
		t.Error(err)
	}
}

// TestMaxCalls: requests beyond the limit are answered with 503 at once. After a call has ended,
// the next one is made. RS-22.
func TestMaxCalls(t *testing.T) {
	s := optest.New(t)
	release := make(chan bool)
	s.Replace("/introspect", func(w http.ResponseWriter, _ *http.Request) {
		<-release
		optest.JSON(w, 200, m{"active": false})
	})
	i := introspection(s)
	i.MaxCalls = 3
	p := quiet(&rs.Cache{Tokens: i})
	var all sync.WaitGroup
	for n := range 3 {
		all.Go(func() { ask(p, bearer(fmt.Sprint("random-", n)), "/") })
	}
	for s.Hits("/introspect") < 3 {
		runtime.Gosched()
	}
	if w := ask(p, bearer("one-more"), "/"); w.Code != 503 || w.Header().Get("Retry-After") != "1" {
		t.Errorf("%d %v", w.Code, w.Header())
	}
	close(release)
	all.Wait()
	if w := ask(p, bearer("one-more"), "/"); w.Code != 401 {
		t.Errorf("afterwards: %d", w.Code)
	}
	i.MaxCalls = -1
	if err := i.Ready(t.Context()); err == nil {
		t.Error("MaxCalls below 0")
	}
}

// TestIntrospectionFlood: an API and its server on loopback. A flood of random tokens uses a
// limited amount of memory, file descriptors and requests. A user with a cached token gets every
// response. RS-22.
func TestIntrospectionFlood(t *testing.T) {
	const most, attackers, tokens = 20, 50, 4000
	s := optest.New(t)
	var underWay, peak, asked atomic.Int32
	s.Replace("/introspect", func(w http.ResponseWriter, r *http.Request) {
		asked.Add(1)
		now := underWay.Add(1)
		defer underWay.Add(-1)
		for old := peak.Load(); now > old && !peak.CompareAndSwap(old, now); old = peak.Load() {
		}
		if r.FormValue("token") == "canary-opaque" {
			optest.JSON(w, 200, m{"active": true, "sub": "alice", "client_id": "rp", "scope": "photos.read", "aud": optest.Audience})
			return
		}
		time.Sleep(20 * time.Millisecond) // a server that reads its database
		optest.JSON(w, 200, m{"active": false})
	})
	i := introspection(s)
	i.MaxCalls = most
	p := &rs.Protection{Tokens: &rs.Cache{Tokens: i, Size: 1000, MaxAge: time.Hour}, Logger: slog.New(slog.NewTextHandler(io.Discard, nil))}
	api := httptest.NewServer(p.Handler(rs.RequireScope("photos.read")(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))))
	defer api.Close()
	transport := &http.Transport{MaxIdleConnsPerHost: attackers + 1}
	defer transport.CloseIdleConnections()
	get := func(token string) int {
		r, _ := http.NewRequestWithContext(context.Background(), "GET", api.URL, nil)
		r.Header = bearer(token)
		resp, err := transport.RoundTrip(r)
		if err != nil {
			t.Error(err)
			return 0
		}
		resp.Body.Close()
		return resp.StatusCode
	}
	if got := get("canary-opaque"); got != 200 {
		t.Fatalf("%d", got)
	}
	heap, files := usage(t)
	var sent atomic.Int32
	statuses := [600]atomic.Int32{}
	var all sync.WaitGroup
	for range attackers {
		all.Go(func() {
			for n := sent.Add(1); n <= tokens; n = sent.Add(1) {
				statuses[get(fmt.Sprint("random-", n))].Add(1)
			}
		})
	}
	var served int
	for sent.Load() < tokens {
		if got := get("canary-opaque"); got != 200 {
			t.Errorf("the user with a known token: %d", got)
		}
		served++
	}
	heapAfter, filesAfter := usage(t)
	all.Wait()
	if peak.Load() > most || statuses[503].Load() == 0 || statuses[401].Load()+statuses[503].Load() != tokens {
		t.Errorf("%d calls at once; %d were 401, %d were 503", peak.Load(), statuses[401].Load(), statuses[503].Load())
	}
	if heapAfter > heap+32<<20 || filesAfter > files+4*(attackers+most) {
		t.Errorf("the heap went from %d to %d bytes, the open files from %d to %d", heap, heapAfter, files, filesAfter)
	}
	if served < 10 {
		t.Errorf("the user was served %d times", served)
	}
}

// usage returns the heap in use and the open files, or 0 if the system does not report them.
func usage(t *testing.T) (heap uint64, files int) {
	t.Helper()
	var stats runtime.MemStats
	for range 3 { // values in pools and values with finalizers need more than one
		runtime.GC()
	}
	runtime.ReadMemStats(&stats)
	entries, _ := os.ReadDir("/proc/self/fd")
	return stats.HeapAlloc, len(entries)
}
