package machines_test

import (
	"crypto/rand"
	"fmt"
	"maps"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"
)

// ok is the status of a response.
func ok(status int) string { return fmt.Sprint(status, " ", http.StatusText(status)) }

// TestCalls counts the calls of the store by each feature, for one, two, four and eight processes.
// docs/many-machines.md has the same numbers. They do not depend on the number of processes.
func TestCalls(t *testing.T) {
	for _, backend := range backends {
		t.Run(backend, func(t *testing.T) {
			w := newWorld(t, backend)
			for _, n := range []int{1, 2, 4, 8} {
				t.Run(fmt.Sprint(n), func(t *testing.T) { countAll(t, w, startProcesses(t, w.setup, n)) })
			}
		})
	}
}

// times is how often each operation is done, once at least by each process.
const times = 8

// countAll runs every feature. The processes take turns: one begins an operation, another one
// continues it.
func countAll(t *testing.T, w *world, all []*process) {
	page := string(readPage(t))
	next := append(slices.Clone(all[1:]), all[0]) // the one that continues
	run := func(by []*process, do string, args []string, calls string) []string {
		t.Helper()
		r := share(by, order{Do: do, Args: args})
		if got := perOperation(r.Calls); got != calls || calls != "" && !strings.Contains(page, "| `"+calls+"` |") {
			t.Errorf("%d processes: %s asks %s, expected %s as on the page", len(all), do, got, calls)
		}
		return r.Results
	}
	want := func(results []string, want string) {
		t.Helper()
		wantAll(t, result{Results: results}, want)
	}
	countSessions(t, w, all, next, run, want)
	countBound(all, next, run, want)
	countAgents(all, next, run, want)
	logins := many(times, func(i int) string { return w.login(t, i) })
	want(run(all, "add tokens", logins, "1 Delete, 1 Save"), "added")
	run(next, "use tokens", logins, "1 Load")
	run(next, "refresh", logins, "1 Acquire, 3 Load, 1 Save, 1 release")
	want(run(all, "proof", many(times, func(int) string { return w.sender.proof() }), "1 Once"), ok(200))
	want(run(all, "logout token", many(times, func(int) string { return w.logoutToken() }), "1 Once"), "accepted")
	sids := many(times, func(int) string { return rand.Text() })
	want(run(all, "end access", sids, "1 Append"), "ended")
	run(next, "is ended", sids, "")
	opaque := many(times, func(int) string { return "canary-" + rand.Text() })
	before := w.asked.Load()
	want(run(all, "introspect", opaque, "2 Load, 1 Save"), "alice")
	if len(all) > 1 {
		want(run(next, "introspect", opaque, "2 Load"), "alice")
	}
	want(run(all, "introspect", opaque, ""), "alice")
	if asked := w.asked.Load() - before; asked != times {
		t.Errorf("%d processes asked the server %d times about %d tokens", len(all), asked, times)
	}
	events := many(times, func(int) string { return w.event() })
	want(run(all, "event", events, "1 Append, 1 Load, 1 Save"), "applied")
	want(run(next, "event", events, "1 Load"), "applied")
}

func readPage(t *testing.T) []byte {
	t.Helper()
	page, err := os.ReadFile("../../docs/many-machines.md")
	if err != nil {
		t.Fatal(err)
	}
	return page
}

func countSessions(t *testing.T, w *world, all, next []*process, run func([]*process, string, []string, string) []string, want func([]string, string)) {
	users := many(times, userName)
	sessions := run(all, "sign in", users, "1 Delete, 2 Link, 2 Load, 1 Once, 2 Save")
	for _, cookie := range sessions {
		if !strings.Contains(cookie, "=") {
			t.Fatal(cookie)
		}
	}
	want(run(next, "request", sessions, "1 Load"), ok(200))
	want(run(next, "request with tokens", sessions, "2 Load"), ok(200))
	want(run(all, "sign out", sessions, "2 Delete, 2 Load, 1 Save, 2 Unlink"), ok(303))
	want(run(next, "request", sessions, "1 Load"), ok(303))
	sessions = run(all, "sign in", users, "1 Delete, 2 Link, 2 Load, 1 Once, 2 Save")
	ends := many(times, func(i int) string { return w.issuer.LogoutToken("web", userName(i), "") })
	want(run(next, "back channel", ends, "1 Append, 2 Delete, 1 Linked, 2 Load, 3 Save, 1 Unlink"), ok(200))
	want(run(all, "request", sessions, "1 Load"), ok(303))
	for range 2 {
		run(all, "sign in", users, "1 Delete, 2 Link, 2 Load, 1 Once, 2 Save")
	}
	ends = many(times, func(i int) string { return w.issuer.LogoutToken("web", userName(i), "") })
	want(run(next, "back channel", ends, "1 Append, 4 Delete, 1 Linked, 2 Load, 4 Save, 2 Unlink"), ok(200))
}

// countBound counts sessions that are bound to a device.
func countBound(all, next []*process, run func([]*process, string, []string, string) []string, want func([]string, string)) {
	offered := run(all, "sign in with an offer", many(times, userName), "1 Delete, 2 Link, 2 Load, 1 Once, 2 Save")
	bound := run(next, "bind", offered, "3 Load, 1 Once, 1 Save")
	want(run(all, "request of a bound", bound, "1 Load"), ok(200))
	refreshed := run(next, "refresh the bound", bound, "2 Load, 1 Once")
	want(run(all, "request of a bound", refreshed, "1 Load"), ok(200))
	want(run(all, "sign out the bound", refreshed, "2 Delete, 2 Load, 2 Save, 2 Unlink"), ok(303))
}

// countAgents counts the sessions of agents.
func countAgents(all, next []*process, run func([]*process, string, []string, string) []string, want func([]string, string)) {
	users := many(times, userName)
	want(run(all, "agent starts", users, "1 Delete, 4 Load, 2 Save"), ok(200))
	want(run(all, "agent calls", users, "1 Load"), ok(200))
	want(run(next, "agent starts", users, "3 Load"), ok(200)) // with the session of the store
	want(run(next, "agent refreshes", users, "1 Acquire, 6 Load, 1 Save, 1 release"), "refreshed")
	want(run(all, "agent calls", users, "1 Load"), ok(200))
	want(run(next, "agent signs out", users, "2 Delete, 1 Load, 1 Save"), "signed out")
}

// perOperation returns the calls of one operation.
func perOperation(calls map[string]int) string {
	var parts []string
	for _, method := range slices.Sorted(maps.Keys(calls)) {
		if calls[method]%times == 0 {
			parts = append(parts, fmt.Sprint(calls[method]/times, " ", method))
		} else {
			parts = append(parts, fmt.Sprintf("%d/%d %s", calls[method], times, method))
		}
	}
	return strings.Join(parts, ", ")
}
