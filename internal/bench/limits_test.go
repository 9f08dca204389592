package bench

import (
	"net/http"
	"runtime"
	"sync"
	"testing"

	"github.com/countersign/countersign/client/auth"
	"github.com/countersign/countersign/discovery"
	"github.com/countersign/countersign/internal/optest"
	"github.com/countersign/countersign/rs"
)

// BenchmarkMillion sends a million different tokens through a cache for 100,000. It reports the
// largest amount of memory for each of the 100,000.
func BenchmarkMillion(b *testing.B) {
	const all, size, part = 1_000_000, 100_000, 50_000
	key := optest.NewKey("2026-11-key-1", "EdDSA")
	keys := must[discovery.KeySet](b)(discovery.StaticKeys(optest.JWKS(key)))
	for b.Loop() {
		c := &rs.Cache{Size: size, Tokens: &rs.JWT{Issuer: issuer, Audience: audience, Keys: keys, Algs: []string{"EdDSA"}}}
		before, most := heap(), uint64(0)
		for n := 0; n < all; n += part {
			through(b, c, key, n, part)
			most = max(most, heap())
		}
		report(b, "rs.Cache", "bytes an entry", float64(most-before)/size)
		runtime.KeepAlive(c)
	}
	b.ReportMetric(0, "ns/op")
}

// through sends n tokens, on two cores.
func through(b *testing.B, v rs.Verifier, key optest.Key, from, n int) {
	var all sync.WaitGroup
	for half := range 2 {
		all.Go(func() {
			for i := from + half; i < from+n; i += 2 {
				if _, err := v.VerifyToken(b.Context(), token(key, i)); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	all.Wait()
}

func heap() uint64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// BenchmarkCold sends 1,000 requests at once with one opaque token that was not seen before. It
// reports the largest number of requests to the server.
func BenchmarkCold(b *testing.B) {
	s := optest.New(b)
	auth := auth.SecretBasic(optest.ClientSecret).For(optest.ClientID, s.URL)
	c := &rs.Cache{Tokens: &rs.Introspection{URL: s.URL + "/introspect", Issuer: s.URL, Audience: optest.Audience, Auth: auth}}
	h := (&rs.Protection{Tokens: c}).Handler(okHandler)
	most := 0
	for b.Loop() {
		before := s.Hits("/introspect")
		atOnce(b, h, 1000)
		most = max(most, s.Hits("/introspect")-before)
		c.Invalidate(b.Context(), "canary-opaque")
	}
	report(b, "rs", "introspections", float64(most))
}

func atOnce(b *testing.B, h http.Handler, n int) {
	var all sync.WaitGroup
	begin := make(chan struct{})
	for range n {
		all.Go(func() {
			call := caller(b, h, []string{"canary-opaque"})
			<-begin
			call()
		})
	}
	close(begin)
	all.Wait()
}
