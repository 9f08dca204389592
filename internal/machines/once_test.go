package machines_test

import (
	"crypto/rand"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/countersign/countersign/discovery/issuertest"
)

// TestOneOfMany: two, four and eight processes do the same at the same time. Each proof and each
// logout token is accepted once, and each rotation is one request. An opaque token is introspected
// once. What one process ends has ended at all processes.
func TestOneOfMany(t *testing.T) {
	for _, backend := range backends {
		t.Run(backend, func(t *testing.T) {
			w := newWorld(t, backend)
			for _, n := range []int{2, 4, 8} {
				t.Run(fmt.Sprint(n), func(t *testing.T) { oneOfMany(t, w, startProcesses(t, w.setup, n)) })
			}
		})
	}
}

func oneOfMany(t *testing.T, w *world, all []*process) {
	onceEach(t, all, order{Do: "proof", Args: many(times, func(int) string { return w.sender.proof() })}, ok(200), ok(401))
	onceEach(t, all, order{Do: "logout token", Args: many(times, func(int) string { return w.logoutToken() })}, "accepted", "used before")
	oneRotation(t, w, all)
	endedSessions(t, w, all)
	endedAccess(t, all)
	askedOnce(t, w, all)
}

// onceEach: one process accepts each argument, and the others reject it.
func onceEach(t *testing.T, all []*process, o order, accepted, rejected string) {
	t.Helper()
	results := each(all, o)
	for i := range o.Args {
		winners := 0
		for _, r := range results {
			switch r.Results[i] {
			case accepted:
				winners++
			case rejected:
			default:
				t.Errorf("%s: %.200s", o.Do, r.Results[i])
			}
		}
		if winners != 1 {
			t.Errorf("%s: %d of %d processes accepted one, expected 1", o.Do, winners, len(all))
		}
	}
}

// oneRotation: the issuer revokes a login when a refresh token is used twice.
func oneRotation(t *testing.T, w *world, all []*process) {
	t.Helper()
	login := w.login(t, 0)
	wantAll(t, all[0].do(order{Do: "add tokens", Args: []string{login}}), "added")
	before := w.refreshes()
	var got []string
	for _, r := range each(all, order{Do: "refresh", Args: slices.Repeat([]string{login}, 4), Parallel: 4}) {
		got = append(got, r.Results...)
	}
	slices.Sort(got)
	if got = slices.Compact(got); len(got) != 1 || strings.Contains(got[0], " ") || strings.Contains(login, got[0]) {
		t.Errorf("the processes have %d different results, expected one new token", len(got))
	}
	if n := w.refreshes() - before; n != 1 {
		t.Errorf("%d processes sent %d requests to refresh one login, expected 1", len(all), n)
	}
}

// refreshes is the number of requests with a refresh token.
func (w *world) refreshes() int { return int(w.rotations.Load()) }

func isRefresh(e issuertest.Exchange) bool {
	return e.Endpoint == issuertest.TokenEndpoint && strings.Contains(string(e.RequestBody), "grant_type=refresh_token")
}

// endedSessions: after a logout at one process every other one rejects the session at once.
func endedSessions(t *testing.T, w *world, all []*process) {
	t.Helper()
	sessions := share(all, order{Do: "sign in", Args: []string{userName(1), userName(2)}}).Results
	for _, r := range each(all, order{Do: "request", Args: sessions}) {
		wantAll(t, r, ok(200))
	}
	wantAll(t, all[0].do(order{Do: "sign out", Args: sessions[:1]}), ok(303))
	wantAll(t, all[1].do(order{Do: "back channel", Args: []string{w.issuer.LogoutToken("web", userName(2), "")}}), ok(200))
	for _, r := range each(all, order{Do: "request", Args: sessions}) {
		wantAll(t, r, ok(303))
	}
}

// endedAccess: the other processes get a revocation after a moment, which the benchmark measures.
func endedAccess(t *testing.T, all []*process) {
	t.Helper()
	sid := rand.Text()
	for _, r := range each(all, order{Do: "is ended", Args: []string{sid}}) {
		wantAll(t, r, "false")
	}
	wantAll(t, all[0].do(order{Do: "end access", Args: []string{sid}}), "ended")
	for _, p := range all {
		for end := time.Now().Add(time.Minute); p.do(order{Do: "is ended", Args: []string{sid}}).Results[0] != "true"; time.Sleep(10 * time.Millisecond) {
			if time.Now().After(end) {
				t.Fatal("a process accepts the tokens of a session that ended a minute ago")
			}
		}
	}
}

// askedOnce: a token that one process has introspected causes no request of the others.
func askedOnce(t *testing.T, w *world, all []*process) {
	t.Helper()
	token := []string{"canary-" + rand.Text()}
	wantAll(t, all[0].do(order{Do: "introspect", Args: token}), "alice")
	before := w.asked.Load()
	for _, r := range each(all, order{Do: "introspect", Args: token}) {
		wantAll(t, r, "alice")
	}
	if n := w.asked.Load() - before; n != 0 {
		t.Errorf("the server was asked %d more times", n)
	}
}
