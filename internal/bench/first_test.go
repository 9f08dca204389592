package bench

import (
	"net/http"
	"slices"
	"testing"
	"time"
)

var algs = []string{"RS256", "PS256", "ES256", "EdDSA"}

// turn is how many calls of one kind are made before the next kind. If the speed of the machine
// changes, the change affects all kinds.
const turn = 20

type contender struct {
	name    string
	handler http.Handler
}

func contenders(t testing.TB, s *setup) []contender {
	all := []contender{
		{"raw", bareMiddleware(s.raw, okHandler)},
		{"signature alone", bareMiddleware(s.signatureOnly, okHandler)},
		{"rs", ours(t, s, false)},
	}
	for _, p := range peers {
		all = append(all, contender{p.name, middleware(p.verify(t, s), okHandler)})
	}
	return all
}

// BenchmarkFirstSight verifies tokens that were not seen before. It reports each library's time
// as a multiple of raw's, and its allocations.
func BenchmarkFirstSight(b *testing.B) {
	for _, alg := range algs {
		b.Run(alg, func(b *testing.B) { compare(b, newSetup(alg, 1000)) })
	}
}

func compare(b *testing.B, s *setup) {
	all := contenders(b, s)
	calls := make([]func(), len(all))
	for i, c := range all {
		calls[i] = caller(b, c.handler, s.tokens)
	}
	spent := inTurns(b, turn, calls)
	for i, c := range all {
		report(b, c.name, "", float64(spent[i])/float64(spent[0]))
		report(b, c.name, "allocs", testing.AllocsPerRun(100, calls[i]))
	}
}

// inTurns alternates the calls and returns the median time of each. Other work on the machine
// changes it little.
func inTurns(b *testing.B, turn int, calls []func()) []time.Duration {
	turns := make([][]time.Duration, len(calls))
	for b.Loop() {
		for i, call := range calls {
			start := time.Now()
			for range turn {
				call()
			}
			turns[i] = append(turns[i], time.Since(start))
		}
	}
	b.ReportMetric(0, "ns/op") // the value of one round is noise
	medians := make([]time.Duration, len(calls))
	for i := range turns {
		slices.Sort(turns[i])
		medians[i] = turns[i][len(turns[i])/2]
	}
	return medians
}

// BenchmarkSeenBefore is BenchmarkFirstSight for tokens in the cache.
func BenchmarkSeenBefore(b *testing.B) {
	for _, alg := range algs {
		b.Run(alg, func(b *testing.B) {
			s := newSetup(alg, 1000)
			raw, cached := caller(b, bareMiddleware(s.raw, okHandler), s.tokens), caller(b, ours(b, s, true), s.tokens)
			for range s.tokens {
				cached()
			}
			spent := inTurns(b, turn, []func(){raw, cached})
			report(b, "rs, cached", "", float64(spent[1])/float64(spent[0]))
			report(b, "rs, cached", "allocs", testing.AllocsPerRun(100, cached))
		})
	}
}
