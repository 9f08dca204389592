package login_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/countersign/countersign/client/login"
	"github.com/countersign/countersign/rs"
	"github.com/countersign/countersign/rs/ssf"
)

var (
	_ ssf.Effect   = (*login.Login)(nil)
	_ ssf.Effect   = (*rs.Revocations)(nil)
	_ login.Effect = (*rs.Revocations)(nil)
	_ login.Effect = (*login.Login)(nil)
	_ ssf.Store    = (*login.Memory)(nil)
)

// TestEndAccess: a session, or all that a user began before an instant, ends on all machines.
// Other sessions continue. REV-14.
func TestEndAccess(t *testing.T) {
	store := &login.Memory{}
	one := start(t, setting{config: stored(store)})
	two := start(t, setting{as: one.as, config: stored(store), other: one})
	iss, ctx := one.as.URL, t.Context()
	withSession(one.as, "s1")
	laptop, tablet := one.browser(t), one.browser(t)
	laptop.signIn(one)
	tablet.signIn(one)
	withSession(one.as, "s2")
	phone := one.browser(t)
	phone.signIn(one)
	end := func(iss, sub, sid string, before time.Time) {
		t.Helper()
		if err := two.login.EndAccess(ctx, iss, sub, sid, before); err != nil {
			t.Fatal(err)
		}
	}
	end(iss, "", "s1", time.Time{})
	laptop.want(laptop.get(one.URL+"/"), 200, "nobody")
	tablet.want(tablet.get(two.URL+"/"), 200, "nobody")
	phone.want(phone.get(one.URL+"/"), 200, "alice")

	end("https://other.example", "alice", "", one.clock.now())
	end(iss, "bob", "", one.clock.now())
	end(iss, "alice", "", one.clock.now().Add(-time.Minute)) // it began later
	phone.want(phone.get(one.URL+"/"), 200, "alice")
	one.clock.turn(10 * time.Second)
	changed := one.clock.now()
	one.clock.turn(10 * time.Second)
	withSession(one.as, "s3")
	laptop.signIn(one)
	end(iss, "alice", "", changed)
	phone.want(phone.get(two.URL+"/"), 200, "nobody")
	laptop.want(laptop.get(one.URL+"/"), 200, "alice")
	end(iss, "alice", "", one.clock.now())
	laptop.want(laptop.get(one.URL+"/"), 200, "nobody")
	one.clock.turn(2 * time.Second)
	withSession(one.as, "s4")
	laptop.signIn(one)
}

// TestEndAccessRefuses: a call that cannot end the access returns an error. REV-14.
func TestEndAccessRefuses(t *testing.T) {
	cookies := start(t, setting{})
	if err := cookies.login.EndAccess(t.Context(), "i", "alice", "", time.Now()); err == nil || !strings.Contains(err.Error(), "Config.Store") {
		t.Errorf("without a Store: %v", err)
	}
	store := &shaky{}
	a := start(t, setting{config: stored(store)})
	b := a.browser(t)
	b.signIn(a)
	for name, call := range map[string][3]string{"no issuer": {"", "alice", ""}, "nobody": {a.as.URL, "", ""}} {
		if a.login.EndAccess(t.Context(), call[0], call[1], call[2], time.Now()) == nil {
			t.Errorf("%s: no error", name)
		}
	}
	store.down.Store(true)
	err := a.login.EndAccess(t.Context(), a.as.URL, "alice", "", a.clock.now())
	store.down.Store(false)
	var temporary interface{ Temporary() bool }
	if !errors.As(err, &temporary) || !temporary.Temporary() {
		t.Errorf("the store is down: %v", err)
	}
	store.stuck.Store(true)
	if a.login.EndAccess(t.Context(), a.as.URL, "alice", "", a.clock.now()) == nil {
		t.Error("nothing was deleted, and no error")
	}
	store.stuck.Store(false)
	if err := a.login.EndAccess(t.Context(), a.as.URL, "alice", "", a.clock.now()); err != nil {
		t.Error(err)
	}
	b.want(b.get(a.URL+"/"), 200, "nobody")
}

// TestEndAccessMeanwhile: an event also ends a session that is created at the same time, in any
// order, and even if an older event follows. REV-15.
func TestEndAccessMeanwhile(t *testing.T) {
	nothing := func() {}
	for name, arrange := range map[string]func(m *meanwhile, end func()){
		"before it is saved": func(m *meanwhile, end func()) { m.before = end },
		"after it was saved": func(m *meanwhile, end func()) { m.after = end },
	} {
		for _, sid := range []string{"s1", ""} {
			t.Run(fmt.Sprintf("%s, sid %q", name, sid), func(t *testing.T) {
				store := &meanwhile{before: nothing, after: nothing, deleted: nothing}
				a := start(t, setting{config: func(c *login.Config) { c.Store = store }})
				withSession(a.as, "s1")
				b := a.browser(t)
				callback := b.begin(a, "/login")
				arrange(store, sync.OnceFunc(func() {
					for _, at := range []time.Time{a.clock.now().Add(time.Second), a.clock.now().Add(-time.Hour)} {
						if err := a.login.EndAccess(t.Context(), a.as.URL, "alice", sid, at); err != nil {
							t.Error(err)
						}
					}
				}))
				b.still().get(callback)
				b.want(b.get(a.URL+"/"), 200, "nobody")
			})
		}
	}
}

// effect is an Effect that can fail.
type effect struct {
	calls []string
	fail  error
}

func (e *effect) EndAccess(_ context.Context, iss, sub, sid string, before time.Time) error {
	if e.fail == nil && !before.IsZero() {
		e.calls = append(e.calls, sub+"|"+sid)
	}
	return e.fail
}

// TestBackchannelEffects: a back-channel logout calls the effects before it is acknowledged.
// REV-16.
func TestBackchannelEffects(t *testing.T) {
	e := &effect{fail: errDown}
	a := start(t, setting{config: func(c *login.Config) { stored(&login.Memory{})(c); c.Effects = []login.Effect{e} }})
	withSession(a.as, "s1")
	b, server := a.browser(t), a.browser(t)
	b.signIn(a)
	token := logoutToken(a.as, func(m map[string]any) { m["sid"] = "s1" })
	server.want(server.post(a.URL+"/backchannel", token), 503, `"temporarily_unavailable"`)
	e.fail = nil
	server.want(server.post(a.URL+"/backchannel", token), 200, "")
	server.want(server.post(a.URL+"/backchannel", logoutToken(a.as, func(m map[string]any) { m["sub"] = "alice" })), 200, "")
	server.want(server.post(a.URL+"/backchannel", logoutToken(a.as, func(m map[string]any) { m["aud"], m["sub"] = "other", "alice" })), 400, "")
	if got := strings.Join(e.calls, " "); got != "|s1 alice|" {
		t.Errorf("effects: %s", got)
	}
	b.want(b.get(a.URL+"/"), 200, "nobody")
}

// TestEndAccessUnreadableSID: the end of one session ends the user's sessions without a sid up to
// the event, and none that begins later.
func TestEndAccessUnreadableSID(t *testing.T) {
	for name, zero := range map[string]bool{"with a time": false, "without a time": true} {
		t.Run(name, func(t *testing.T) {
			a := start(t, setting{config: stored(&login.Memory{})})
			a.as.EditID = func(m map[string]any) { delete(m, "sid") }
			b := a.browser(t)
			b.signIn(a)
			before := a.clock.now()
			if zero {
				before = time.Time{}
			}
			if err := a.login.EndAccess(t.Context(), a.as.URL, "alice", "another session", before); err != nil {
				t.Fatal(err)
			}
			b.want(b.get(a.URL+"/"), 200, "nobody")
			a.clock.turn(10 * time.Second)
			b.signIn(a)
			b.want(b.get(a.URL+"/"), 200, "alice")
			if zero {
				return
			}
			if err := a.login.EndAccess(t.Context(), a.as.URL, "alice", "another session", before); err != nil { // it is sent again
				t.Fatal(err)
			}
			b.want(b.get(a.URL+"/"), 200, "alice")
		})
	}
}

// TestLogoutWithoutListener: a session ends, here or by the server, although the caller does not
// wait for the response.
func TestLogoutWithoutListener(t *testing.T) {
	for _, kind := range []string{"visitor", "back-channel", "front-channel"} {
		t.Run(kind, func(t *testing.T) {
			a := start(t, setting{config: stored(&login.Memory{})})
			withSession(a.as, "s1")
			b := a.browser(t)
			b.signIn(a)
			gone, cancel := context.WithCancel(t.Context())
			cancel()
			ask := func(method, path string, form url.Values) *http.Request {
				r := httptest.NewRequestWithContext(gone, method, a.URL+path, strings.NewReader(form.Encode()))
				r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
				return r
			}
			w := httptest.NewRecorder()
			switch kind {
			case "visitor":
				r := ask(http.MethodPost, "/logout", nil)
				r.Header.Set("Sec-Fetch-Site", "same-origin")
				for _, c := range b.cookies(a) {
					r.AddCookie(c)
				}
				a.login.Logout().ServeHTTP(w, r)
			case "back-channel":
				a.login.BackchannelLogout().ServeHTTP(w, ask(http.MethodPost, "/backchannel", logoutToken(a.as, func(m map[string]any) { m["sid"] = "s1" })))
			case "front-channel":
				a.login.FrontchannelLogout().ServeHTTP(w, ask(http.MethodGet, "/frontchannel?"+url.Values{"iss": {a.as.URL}, "sid": {"s1"}}.Encode(), nil))
			}
			b.want(b.get(a.URL+"/"), 200, "nobody")
		})
	}
}
