package bench

import (
	"crypto/sha256"
	"math"
	"runtime"
	"sync"
	"testing"
	"time"
)

// BenchmarkCores reports the throughput of two cores as a multiple of one core, next to the same
// number for a loop that shares nothing. With other work on the machine, or with virtual cores,
// that number is less than 2 too. The keys are at a URL, as in production.
func BenchmarkCores(b *testing.B) {
	if runtime.NumCPU() < 2 {
		b.Skip("one core")
	}
	s := newSetup("RS256", 1000)
	serveKeys(b, s)
	first, cached := ours(b, s, false), ours(b, s, true)
	for _, c := range []struct {
		name string
		n    int // calls a turn
		make func() func()
	}{
		{"SHA-256 of a token", 5000, func() func() { return hashing(s.tokens[0]) }},
		{"raw", 100, func() func() { return caller(b, bareMiddleware(s.raw, okHandler), s.tokens) }},
		{"rs, first sight", 100, func() func() { return caller(b, first, s.tokens) }},
		{"rs, cached", 2500, func() func() { return caller(b, cached, s.tokens) }},
	} {
		b.Run(c.name, func(b *testing.B) { scale(b, c.n, c.make) })
	}
}

func hashing(token string) func() {
	text := []byte(token)
	return func() { sha256.Sum256(text) }
}

// scale compares the fastest rounds, because other work slowed them least.
func scale(b *testing.B, n int, make func() func()) {
	one, two := time.Duration(math.MaxInt64), time.Duration(math.MaxInt64)
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(0))
	for b.Loop() {
		one, two = min(one, onCores(1, n, make)), min(two, onCores(2, n, make))
	}
	b.ReportMetric(0, "ns/op")
	report(b, "two cores in one's", "", 2*float64(one)/float64(two))
}

// onCores makes n calls at the same time on each of some cores.
func onCores(cores, n int, make func() func()) time.Duration {
	runtime.GOMAXPROCS(cores)
	var all sync.WaitGroup
	calls := []func(){}
	for range cores {
		calls = append(calls, make())
	}
	start := time.Now()
	for _, call := range calls {
		all.Go(func() {
			for range n {
				call()
			}
		})
	}
	all.Wait()
	return time.Since(start)
}
