package bench

import (
	"context"
	"encoding/base64"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/countersign/countersign/internal/optest"
)

const (
	badPause   = 2 * time.Millisecond // 500 a second
	goodPause  = 5 * time.Millisecond
	floodFor   = 5 * time.Second
	beforeFor  = 2 * time.Second
	rotateWait = 35 * time.Second // the budget allows one more fetch after 30 s
)

// keyServer publishes a key set, and counts the fetches.
type keyServer struct {
	fetches atomic.Int64
	jwks    atomic.Pointer[[]byte]
}

func (k *keyServer) ServeHTTP(w http.ResponseWriter, _ *http.Request) {
	k.fetches.Add(1)
	w.Header().Set("Content-Type", "application/json")
	w.Write(*k.jwks.Load())
}

// serveKeys publishes the setup's keys on a server.
func serveKeys(b *testing.B, s *setup) *keyServer {
	k := &keyServer{}
	k.jwks.Store(&s.jwks)
	server := httptest.NewServer(k)
	b.Cleanup(server.Close)
	s.jwksURL = server.URL
	return k
}

// BenchmarkFlood sends 500 bad tokens a second for 5 seconds. A third has an unknown kid, a third a
// bad signature under a known kid, and a third no kid. Half way it rotates a key in. It reports how
// often the key set was fetched. It also reports after how many seconds a token of the new key was
// accepted (-1: not within 35 s). It also reports the median latency of good requests as a multiple
// of the latency before the flood. go-jose has no remote key set.
func BenchmarkFlood(b *testing.B) {
	all := []peer{{"rs", nil}}
	for _, p := range peers {
		if p.name != "go-jose" {
			all = append(all, p)
		}
	}
	for _, p := range all {
		b.Run(p.name, func(b *testing.B) {
			for b.Loop() {
				floodWith(b, p)
			}
			b.ReportMetric(0, "ns/op")
		})
	}
}

type flooding struct {
	b       *testing.B
	s       *setup
	keys    *keyServer
	handler http.Handler
}

func floodWith(b *testing.B, p peer) {
	f := &flooding{b: b, s: newSetup("RS256", 100)}
	f.keys = serveKeys(b, f.s)
	if p.verify == nil {
		f.handler = ours(b, f.s, false)
	} else {
		f.handler = middleware(p.verify(b, f.s), okHandler)
	}
	good := caller(b, f.handler, f.s.tokens)
	good()
	before := f.latency(good, beforeFor)
	fetched := f.keys.fetches.Load()
	ctx, stop := context.WithCancel(b.Context())
	defer stop()
	var all sync.WaitGroup
	all.Go(func() { f.bad(ctx) })
	rotated := make(chan float64, 1)
	time.AfterFunc(floodFor/2, func() { rotated <- f.rotate(ctx) })
	during := f.latency(good, floodFor)
	fetches := f.keys.fetches.Load() - fetched
	accepted := <-rotated
	stop()
	all.Wait()
	f.report(p.name, "fetches", float64(fetches))
	f.report(p.name, "new key after s", accepted)
	f.report(p.name, "good latency", float64(during)/float64(before))
}

func (f *flooding) report(who, what string, value float64) {
	f.b.ReportMetric(value, strings.ReplaceAll(what, " ", "_"))
	tableOf("Flood").set(who, what, value)
}

// latency is the median latency of good requests.
func (f *flooding) latency(good func(), d time.Duration) time.Duration {
	var all []time.Duration
	tick := time.NewTicker(goodPause)
	defer tick.Stop()
	for end := time.Now().Add(d); time.Now().Before(end); <-tick.C {
		start := time.Now()
		good()
		all = append(all, time.Since(start))
	}
	slices.Sort(all)
	return all[len(all)/2]
}

// bad sends bad tokens at a fixed rate, without waiting for responses.
func (f *flooding) bad(ctx context.Context) {
	tick := time.NewTicker(badPause)
	defer tick.Stop()
	for i := 0; i < int(floodFor/badPause); i++ {
		go func() {
			if f.send(ctx, f.badToken(i)) == http.StatusOK {
				f.b.Error("a bad token is accepted")
			}
		}()
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}

// badToken is a good token with another header.
func (f *flooding) badToken(i int) string {
	header := fmt.Sprintf(`{"alg":"RS256","typ":"at+jwt","kid":"unknown-%d"}`, i)
	switch i % 3 {
	case 1:
		header = fmt.Sprintf(`{"alg":"RS256","typ":"at+jwt","kid":%q,"x":%d}`, f.s.key.ID, i)
	case 2:
		header = fmt.Sprintf(`{"alg":"RS256","typ":"at+jwt","x":%d}`, i)
	}
	_, rest, _ := strings.Cut(f.s.tokens[i%len(f.s.tokens)], ".")
	return base64.RawURLEncoding.EncodeToString([]byte(header)) + "." + rest
}

func (f *flooding) send(ctx context.Context, token string) int {
	r := httptest.NewRequestWithContext(ctx, "GET", "/photos", nil)
	r.Header.Set("Authorization", "Bearer "+token)
	w := &nullWriter{header: http.Header{}}
	f.handler.ServeHTTP(w, r)
	return w.status
}

// rotate publishes one more key, and sends its tokens until one is accepted.
func (f *flooding) rotate(ctx context.Context) (seconds float64) {
	key := optest.NewKey("2026-11-key-2", "RS256")
	jwks := optest.JWKS(f.s.key, key)
	f.keys.jwks.Store(&jwks)
	start := time.Now()
	accepted := make(chan time.Duration, int(rotateWait/time.Second)*11)
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for i := 0; time.Since(start) < rotateWait; i++ {
		go func() {
			if f.send(ctx, token(key, i)) == http.StatusOK {
				accepted <- time.Since(start)
			}
		}()
		select {
		case d := <-accepted:
			return d.Seconds()
		case <-tick.C:
		}
	}
	return -1
}
