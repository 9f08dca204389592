package machines_test

import (
	"crypto/rand"
	"fmt"
	"strings"
	"testing"
)

// callers is the number of concurrent callers, divided between the processes.
const callers = 16

// feature is a row of the table: an operation, the number of calls, and its arguments. used are the
// results of the previous row.
type feature struct {
	name, do string
	times    int
	args     func(b *testing.B, w *world, used []string, n int) []string
}

// features are the rows. Each uses the results of the previous one.
var features = []feature{
	{"sign-in", "sign in", 200, func(_ *testing.B, _ *world, _ []string, n int) []string { return many(n, userName) }},
	{"request with a session", "request", 2000, repeated},
	{"logout", "sign out", 200, repeated},
	{"tokens of a login added", "add tokens", 200, func(b *testing.B, w *world, _ []string, n int) []string {
		return many(n, func(i int) string { return w.login(b, i) })
	}},
	{"tokens used", "use tokens", 2000, repeated},
	{"tokens refreshed", "refresh", 200, repeated},
	{"DPoP proof", "proof", 1000, func(_ *testing.B, w *world, _ []string, n int) []string {
		return many(n, func(int) string { return w.sender.proof() })
	}},
	{"logout token", "logout token", 1000, func(_ *testing.B, w *world, _ []string, n int) []string {
		return many(n, func(int) string { return w.logoutToken() })
	}},
	{"access ended", "end access", 1000, func(_ *testing.B, _ *world, _ []string, n int) []string {
		return many(n, func(int) string { return rand.Text() })
	}},
	{"introspection, first process", "introspect", 1000, func(_ *testing.B, _ *world, _ []string, n int) []string {
		return many(n, func(int) string { return "canary-" + rand.Text() })
	}},
	{"security event", "event", 1000, func(_ *testing.B, w *world, _ []string, n int) []string {
		return many(n, func(int) string { return w.event() })
	}},
}

// repeated returns the results or arguments of the previous row, repeated as needed.
func repeated(_ *testing.B, _ *world, used []string, n int) []string {
	return many(n, func(i int) string { return used[i%len(used)] })
}

// measured is a cell: operations per second, and the bytes that each leaves in the store.
type measured struct{ perSecond, bytes float64 }

// BenchmarkProcesses runs each feature in 1, 2, 4 and 8 processes, and prints a table for
// docs/many-machines.md. The best of all rounds counts, because other programs can slow a round.
func BenchmarkProcesses(b *testing.B) {
	for _, backend := range backends {
		best := map[string]map[int]measured{}
		for _, n := range []int{1, 2, 4, 8} {
			b.Run(fmt.Sprint(backend, "/", n), func(b *testing.B) {
				w := newWorld(b, backend)
				all := startProcesses(b, w.setup, n)
				for b.Loop() {
					round(b, w, all, best)
				}
			})
		}
		printTable(backend, best)
	}
}

func round(b *testing.B, w *world, all []*process, best map[string]map[int]measured) {
	var used []string
	for _, f := range features {
		args := f.args(b, w, used, f.times)
		before := w.bytes(b)
		r := share(all, order{Do: f.do, Args: args, Parallel: max(1, callers/len(all))})
		left := float64(w.bytes(b)-before) / float64(f.times)
		if used = args; f.do == "sign in" {
			used = r.Results
		}
		if best[f.name] == nil {
			best[f.name] = map[int]measured{}
		}
		cell := measured{float64(f.times) / r.Took.Seconds(), left}
		if cell.perSecond > best[f.name][len(all)].perSecond {
			best[f.name][len(all)] = cell
		}
		checkResults(b, f, r)
	}
}

// checkResults fails for a feature that did not work, because its time has no meaning.
func checkResults(b *testing.B, f feature, r result) {
	b.Helper()
	want := map[string]string{"sign in": "__Host-login=", "request": "200", "sign out": "303", "add tokens": "added", "proof": "200", "logout token": "accepted",
		"end access": "ended", "introspect": "alice", "event": "applied"}[f.do]
	for _, got := range r.Results {
		if !strings.HasPrefix(got, want) || strings.Contains(got, ": ") {
			b.Fatalf("%s: %.200s", f.name, strings.ReplaceAll(got, "canary", "***"))
		}
	}
}

func (w *world) bytes(b *testing.B) int {
	b.Helper()
	n, err := w.server.size(b.Context())
	if err != nil {
		b.Fatal(err)
	}
	return n
}

// printTable prints the operations per second of one process, and multiples of it for others.
func printTable(backend string, best map[string]map[int]measured) {
	fmt.Printf("\n| over one %s | 1 process, per second | 2 | 4 | 8 | bytes in the store |\n|---|---|---|---|---|---|\n", backend)
	for _, f := range features {
		one := best[f.name][1].perSecond
		fmt.Printf("| %s | %.0f |", f.name, one)
		for _, n := range []int{2, 4, 8} {
			fmt.Printf(" × %.1f |", best[f.name][n].perSecond/one)
		}
		fmt.Printf(" %.0f |\n", best[f.name][1].bytes)
	}
}
