package login_test

import (
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/countersign/countersign/client/login"
)

// TestImpatientReloads: a visitor who reloads the callback many times during the first one is
// redirected to the requested page.
func TestImpatientReloads(t *testing.T) {
	a := start(t, setting{})
	b := a.browser(t)
	var callback string
	a.as.Wrap = func(path string, next http.HandlerFunc) http.HandlerFunc {
		if path == "/token" {
			for range 3 {
				got := b.still().get(callback)
				b.want(got, 303, "")
				if to := got.header.Get("Location"); to != "/there" {
					t.Errorf("to %q", to)
				}
			}
		}
		return next
	}
	callback = b.begin(a, "/login?return_to=/there")
	b.want(b.get(callback), 200, "alice at /there")
	for _, c := range b.cookies(a) {
		if strings.Contains(c.Name, "-p-") {
			t.Errorf("%s is still there", c.Name)
		}
	}
	if a.as.Hits("/token") != 1 {
		t.Errorf("%d token requests", a.as.Hits("/token"))
	}
}

// TestParallelCallbacks is RP-21: many callbacks at once, at two processes, cause one token
// request. All redirect to the requested page.
func TestParallelCallbacks(t *testing.T) {
	t.Run("one process", func(t *testing.T) {
		a := start(t, setting{})
		parallelCallbacks(t, a, a)
	})
	t.Run("two processes", func(t *testing.T) {
		store := &login.Memory{}
		shared := func(c *login.Config) { c.Store = store }
		one := start(t, setting{config: shared})
		parallelCallbacks(t, one, start(t, setting{as: one.as, config: shared, other: one}))
	})
}

// parallelCallbacks lets the server answer the token request after all other callbacks. These
// have the cookies from before the login.
func parallelCallbacks(t *testing.T, one, two *app) {
	const visits = 20
	var others sync.WaitGroup
	others.Add(visits - 1)
	one.as.Wrap = func(path string, next http.HandlerFunc) http.HandlerFunc {
		if path == "/token" {
			answered := make(chan struct{})
			go func() { others.Wait(); close(answered) }()
			wait(answered)
		}
		return next
	}
	b := one.browser(t)
	callback := b.begin(one, "/login?return_to=/there")
	var group sync.WaitGroup
	for i := range visits {
		at := callback
		if i%2 == 1 {
			at = strings.Replace(callback, one.URL, two.URL, 1)
		}
		group.Go(func() {
			got := b.still().get(at)
			if got.status != http.StatusSeeOther || got.header.Get("Location") != "/there" {
				t.Errorf("%d to %q: %s", got.status, got.header.Get("Location"), got.text())
			}
			if b.cookie(one, "__Host-login") == "" {
				others.Done()
			}
		})
	}
	group.Wait()
	if one.as.Hits("/token") != 1 {
		t.Errorf("%d token requests", one.as.Hits("/token"))
	}
	b.want(b.get(two.URL+"/"), 200, "alice")
}

// TestReload is RP-29: the browser that has finished a login sends the callback again.
func TestReload(t *testing.T) {
	bothKinds(t, func(t *testing.T, set setting) {
		a := start(t, set)
		b := a.browser(t)
		callback := b.begin(a, "/login?return_to=/there")
		b.want(b.get(callback), 200, "alice at /there")
		before := b.cookie(a, "__Host-login")
		for range 3 {
			b.want(b.get(callback), 200, "alice at /")
		}
		if b.cookie(a, "__Host-login") != before || a.as.Hits("/token") != 1 {
			t.Errorf("another session, or %d token requests", a.as.Hits("/token"))
		}
		b.post(a.URL+"/logout", url.Values{})
		b.want(b.get(callback), 400, "login_unknown")
		b.want(b.get(a.URL+"/"), 200, "nobody")
	})
}

// TestBack is RP-29: the visitor goes back to the server's page, and forward again.
func TestBack(t *testing.T) {
	bothKinds(t, func(t *testing.T, set setting) {
		a := start(t, set)
		b := a.browser(t)
		address := b.still().get(a.URL + "/login?return_to=/there").header.Get("Location")
		again := a.as.Form("/par").Get("state")
		b.want(b.get(address), 200, "alice at /there")
		before := b.cookie(a, "__Host-login")
		b.want(b.get(a.URL+"/callback?"+url.Values{"code": {"another"}, "state": {again}, "iss": {a.as.URL}}.Encode()), 200, "alice at /")
		b.want(b.get(a.URL+"/callback?"+url.Values{"error": {"access_denied"}, "state": {again}, "iss": {a.as.URL}}.Encode()), 200, "alice at /")
		if b.cookie(a, "__Host-login") != before || a.as.Hits("/token") != 1 {
			t.Errorf("another session, or %d token requests", a.as.Hits("/token"))
		}
	})
}

// TestTwoTabs: each tab returns to its own page. Afterwards there is one session.
func TestTwoTabs(t *testing.T) {
	bothKinds(t, func(t *testing.T, set setting) {
		a := start(t, set)
		b := a.browser(t)
		first, second := b.begin(a, "/private/first"), b.begin(a, "/private/second")
		b.want(b.get(second), 200, "alice at /private/second")
		old := b.cookie(a, "__Host-login")
		b.want(b.get(first), 200, "alice at /private/first")

		b.plant(a, "__Host-login", old)
		b.want(b.get(a.URL+"/"), 200, "nobody")
	})
}

// TestManyTabs is RP-09: a browser has at most ten logins, and the oldest is removed. The size of
// their cookies is limited too.
func TestManyTabs(t *testing.T) {
	a := start(t, setting{})
	b := a.browser(t)
	var callbacks []string
	for range 15 {
		a.clock.turn(time.Second)
		callbacks = append(callbacks, b.begin(a, "/login"))
	}
	size := 0
	for _, c := range b.cookies(a) {
		size += len(c.Name) + len(c.Value)
	}
	if n := len(b.cookies(a)); n > 10 || n < 5 || size > 7500 {
		t.Errorf("%d logins under way, %d bytes", n, size)
	}
	b.want(b.get(callbacks[0]), 400, "login_unknown")
	b.want(b.get(callbacks[14]), 200, "alice")

	long := "/login?return_to=/" + strings.Repeat("x", 1900)
	for range 5 {
		b.begin(a, long)
	}
	for _, c := range b.cookies(a) {
		if len(c.Name)+len(c.Value) > 3900 {
			t.Errorf("a cookie of %d bytes", len(c.Name)+len(c.Value))
		}
	}
}

// TestTabsBesideASession is RP-09: cookies of logins, of the session and of its tokens fit
// together into a header of 8 kB.
func TestTabsBesideASession(t *testing.T) {
	a := start(t, setting{as: longTokens(t), config: keepTokens})
	b := a.browser(t)
	size := func() (n int) {
		for _, c := range b.cookies(a) {
			n += len(c.Name) + len(c.Value) + 3
		}
		return n
	}
	var callback string
	for range 9 {
		a.clock.turn(time.Second)
		callback = b.begin(a, "/login")
	}
	b.want(b.get(callback), 200, "alice")
	if size() > 7500 {
		t.Errorf("%d bytes of cookies after the login", size())
	}
	for range 9 {
		a.clock.turn(time.Second)
		callback = b.begin(a, "/login?return_to=/there")
	}
	if size() > 7500 {
		t.Errorf("%d bytes of cookies after more logins were begun", size())
	}
	b.want(b.get(callback), 200, "alice at /there")
}

// TestStartKeepsNothing is RP-09: a login that begins stores nothing except cookies in the
// browser.
func TestStartKeepsNothing(t *testing.T) {
	store := &shaky{}
	a := start(t, setting{config: func(c *login.Config) { c.Store = store }})
	for range 50 {
		a.browser(t).begin(a, "/login")
	}
	if store.calls.Load() != 0 {
		t.Errorf("%d calls of the Store", store.calls.Load())
	}
}
