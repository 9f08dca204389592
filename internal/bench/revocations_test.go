package bench

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"testing"
	"time"

	"github.com/countersign/countersign/discovery"
	"github.com/countersign/countersign/rs"
)

// revocations is a list with n entries of every kind.
func revocations(b *testing.B, n int) *rs.Revocations {
	v := &rs.Revocations{}
	before := time.Now().Add(-time.Hour)
	for i := range n {
		a := rs.RevokedAccess{Issuer: issuer}
		switch name := fmt.Sprint("ended ", i); i % 4 {
		case 0:
			a.SessionID = name
		case 1:
			a.Subject, a.Before = name, before
		case 2:
			a.ClientID, a.Before = name, before
		case 3:
			a.TokenID = name
		}
		if err := v.Revoke(b.Context(), a); err != nil {
			b.Fatal(err)
		}
	}
	return v
}

// revocable is a Protection with a cache and a list.
func revocable(b *testing.B, s *setup, v *rs.Revocations) http.Handler {
	keys := must[discovery.KeySet](b)(discovery.StaticKeys(s.jwks))
	p := &rs.Protection{
		Tokens: &rs.Cache{Tokens: &rs.JWT{Issuer: issuer, Audience: audience, Keys: keys, Algs: []string{s.key.Alg}}},
		Logger: slog.New(slog.DiscardHandler),
	}
	if v != nil {
		p.Revocation = []rs.RevocationCheck{v}
	}
	return p.Handler(okHandler)
}

// BenchmarkRevocations is BenchmarkSeenBefore with 100,000 revocations.
func BenchmarkRevocations(b *testing.B) {
	for _, alg := range algs {
		b.Run(alg, func(b *testing.B) {
			s := newSetup(alg, 1000)
			raw, without := caller(b, bareMiddleware(s.raw, okHandler), s.tokens), caller(b, revocable(b, s, nil), s.tokens)
			list := caller(b, revocable(b, s, revocations(b, 100_000)), s.tokens)
			for range s.tokens {
				without()
				list()
			}
			spent := inTurns(b, turn, []func(){raw, without, list})
			report(b, "rs, cached", "", float64(spent[1])/float64(spent[0]))
			report(b, "rs, cached, 100,000 revocations", "", float64(spent[2])/float64(spent[0]))
			report(b, "rs, cached, 100,000 revocations", "allocs", testing.AllocsPerRun(100, list))
		})
	}
}

// BenchmarkRevocationEvents measures the median latency of a request while 10,000 revocations a
// second are added, and with an unchanged list.
func BenchmarkRevocationEvents(b *testing.B) {
	s := newSetup("ES256", 1000)
	v := revocations(b, 100_000)
	call := caller(b, revocable(b, s, v), s.tokens)
	for range s.tokens {
		call()
	}
	var rest, busy []time.Duration
	added := 0
	for b.Loop() {
		rest = append(rest, latencies(call)...)
		ctx, stop := context.WithCancel(b.Context())
		done := make(chan struct{})
		go func() {
			defer close(done)
			for tick := time.NewTicker(time.Millisecond); ctx.Err() == nil; <-tick.C {
				for range 10 {
					added++
					v.Revoke(ctx, rs.RevokedAccess{Issuer: issuer, SessionID: fmt.Sprint("event ", added)})
				}
			}
		}()
		busy = append(busy, latencies(call)...)
		stop()
		<-done
	}
	b.ReportMetric(0, "ns/op")
	slices.Sort(rest)
	slices.Sort(busy)
	report(b, "rs, 10,000 events a second", "median", float64(busy[len(busy)/2])/float64(rest[len(rest)/2]))
}

// latencies returns the latencies of single requests, during a tenth of a second.
func latencies(call func()) (out []time.Duration) {
	for end := time.Now().Add(100 * time.Millisecond); ; {
		start := time.Now()
		if start.After(end) {
			return out
		}
		call()
		out = append(out, time.Since(start))
	}
}
