package login_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/countersign/countersign/client"
	"github.com/countersign/countersign/client/login"
	"github.com/countersign/countersign/internal/optest"
)

// counted is a Store that counts the keys that are used once.
type counted struct {
	login.Memory
	onces atomic.Int64
}

func (c *counted) Once(ctx context.Context, key string, until time.Time) (bool, error) {
	c.onces.Add(1)
	return c.Memory.Once(ctx, key, until)
}

// pair is a login with its callback, without a network.
func (a *app) pair(t *testing.T, edit func(url.Values)) int {
	t.Helper()
	begun := httptest.NewRecorder()
	a.Config.Handler.ServeHTTP(begun, httptest.NewRequest("GET", "/login", nil))
	to, err := begun.Result().Location()
	if err != nil {
		t.Fatalf("%d %s\n%s", begun.Code, begun.Body, a.log)
	}
	q := url.Values{"state": {to.Query().Get("state")}, "iss": {a.as.URL}}
	edit(q)
	r := httptest.NewRequest("GET", a.URL+"/callback?"+q.Encode(), nil)
	for _, c := range begun.Result().Cookies() {
		r.AddCookie(c)
	}
	ended := httptest.NewRecorder()
	a.Config.Handler.ServeHTTP(ended, r)
	return ended.Code
}

func noPush(c *client.Config) { c.PAR = client.PAROff }

func openFiles() int {
	all, _ := os.ReadDir("/proc/self/fd")
	return len(all)
}

func heap() uint64 {
	var m runtime.MemStats
	for range 3 { // values in pools and values with finalizers need more than one
		runtime.GC()
	}
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// TestFloodOfErrors is RP-09: error responses, and responses without a login, need no memory. Any
// number of them does not stop other logins.
func TestFloodOfErrors(t *testing.T) {
	for name, edit := range map[string]func(url.Values){
		"error":         func(q url.Values) { q.Set("error", "access_denied") },
		"code and more": func(q url.Values) { q["code"] = []string{"a", "b"} },
		"another iss":   func(q url.Values) { q.Set("iss", "https://evil.example"); q.Set("code", "a") },
		"no code":       func(url.Values) {},
	} {
		t.Run(name, func(t *testing.T) {
			store := &counted{}
			a := start(t, setting{client: noPush, config: func(c *login.Config) { store.MaxEntries, c.Store = 20, store }})
			b := a.browser(t)
			b.signIn(a)
			before := store.onces.Load()
			for range 200 {
				if status := a.pair(t, edit); status >= 500 {
					t.Fatalf("status %d\n%s", status, a.log)
				}
			}
			if n := store.onces.Load() - before; n != 0 {
				t.Errorf("%d entries for responses without a code", n)
			}
			a.browser(t).signIn(a)
			b.want(b.get(a.URL+"/private/"), 200, "alice")
		})
	}
}

// TestFlood: logins of anonymous clients with invented codes use a limited amount of memory,
// files and requests to the server. Signed-in users are not affected.
func TestFlood(t *testing.T) {
	bothKinds(t, func(t *testing.T, set setting) {
		set.client = noPush
		a := start(t, set.and(func(c *login.Config) {
			if c.Store != nil {
				c.Store.(*login.Memory).MaxEntries = 1000
			}
		}))
		b := a.browser(t)
		b.signIn(a)
		a.pair(t, func(q url.Values) { q.Set("code", "x") })
		files, memory := openFiles(), heap()
		for i := range 1500 {
			if status := a.pair(t, func(q url.Values) { q.Set("code", fmt.Sprint("canary-", i)) }); status != 400 {
				t.Fatalf("status %d\n%s", status, a.log)
			}
			if i%500 == 0 {
				b.want(b.get(a.URL+"/private/"), 200, "alice")
			}
		}
		a.log.b.Reset()
		if now := heap(); now > memory+4<<20 {
			t.Errorf("%d kB more", (now-memory)>>10)
		}
		if now := openFiles(); now > files+20 {
			t.Errorf("%d files more", now-files)
		}
		b.want(b.get(a.URL+"/private/"), 200, "alice")
		a.browser(t).signIn(a)
	})
}

// TestMaxCalls: requests beyond the limit are answered with 503 and Retry-After. Logins that end
// have a separate limit, and signed-in users have none.
func TestMaxCalls(t *testing.T) {
	as := optest.New(t)
	a := start(t, setting{as: as, config: func(c *login.Config) { c.MaxCalls = 2 }})
	b, late := a.browser(t), a.browser(t)
	b.signIn(a)
	callback := late.begin(a, "/login?return_to=/there")
	asked, release := make(chan struct{}), make(chan struct{})
	var calls atomic.Int64
	as.Wrap = func(path string, next http.HandlerFunc) http.HandlerFunc {
		if path != "/par" {
			return next
		}
		calls.Add(1)
		asked <- struct{}{}
		<-release
		return next
	}
	var group sync.WaitGroup
	for range 2 {
		group.Go(func() {
			if got := a.browser(t).still().get(a.URL + "/login"); got.status != 303 {
				t.Errorf("one that fits: %d", got.status)
			}
		})
		<-asked
	}
	for range 20 {
		got := a.browser(t).get(a.URL + "/login")
		if got.status != 503 || got.header.Get("Retry-After") != "1" || !strings.Contains(got.body, login.CodeUnavailable) {
			t.Fatalf("%d, Retry-After %q", got.status, got.header.Get("Retry-After"))
		}
	}
	b.want(b.get(a.URL+"/private/"), 200, "alice")
	late.want(late.get(callback), 200, "alice at /there")
	close(release)
	group.Wait()
	if calls.Load() != 2 || strings.Contains(a.log.String(), "level=ERROR") || !strings.Contains(a.log.String(), "MaxCalls") {
		t.Errorf("%d calls\n%s", calls.Load(), a.log)
	}
}

// TestMaxCallsOfCallbacks: TestMaxCalls for logins that end.
func TestMaxCallsOfCallbacks(t *testing.T) {
	as := optest.New(t)
	a := start(t, setting{as: as, config: func(c *login.Config) { c.MaxCalls = 1 }})
	one, two := a.browser(t), a.browser(t)
	first, second := one.begin(a, "/login"), two.begin(a, "/login")
	asked, release := make(chan struct{}), make(chan struct{})
	as.Wrap = func(path string, next http.HandlerFunc) http.HandlerFunc {
		if path == "/token" {
			asked <- struct{}{}
			<-release
		}
		return next
	}
	var group sync.WaitGroup
	group.Go(func() { one.want(one.get(first), 200, "alice") })
	<-asked
	got := two.get(second)
	two.want(got, 503, "temporarily_unavailable")
	close(release)
	group.Wait()
	as.Wrap = nil
	two.want(two.get(second), 200, "alice") // a reload: the login can still be finished
}

// TestLimit: Config.Limit is called before each login, and for nothing else.
func TestLimit(t *testing.T) {
	var wait atomic.Int64
	var asked atomic.Int64
	a := start(t, setting{config: func(c *login.Config) {
		c.Limit = func(*http.Request) time.Duration { asked.Add(1); return time.Duration(wait.Load()) }
	}})
	a.Config.Handler.(*http.ServeMux).HandleFunc("/begin", func(w http.ResponseWriter, r *http.Request) {
		a.login.Begin(w, r, login.BeginOptions{})
	})
	b := a.browser(t)
	b.signIn(a)
	if asked.Load() != 1 {
		t.Errorf("asked %d times for one login", asked.Load())
	}
	wait.Store(int64(2500 * time.Millisecond))
	pushed := a.as.Hits("/par")
	for _, path := range []string{"/login", "/private/", "/begin", "/initiate?iss=" + url.QueryEscape(a.as.URL)} {
		got := a.browser(t).get(a.URL + path)
		if got.status != 429 || got.header.Get("Retry-After") != "3" || !strings.Contains(got.body, login.CodeLimited) {
			t.Errorf("%s: %d, Retry-After %q", path, got.status, got.header.Get("Retry-After"))
		}
	}
	if a.as.Hits("/par") != pushed || strings.Contains(a.log.String(), "level=ERROR") {
		t.Errorf("%d requests of logins that were to wait\n%s", a.as.Hits("/par")-pushed, a.log)
	}
	b.want(b.get(a.URL+"/private/"), 200, "alice")
}

// TestSeveralProcesses is RP-21: what Config.Store says about several processes without a Store.
func TestSeveralProcesses(t *testing.T) {
	one := start(t, setting{})
	two := start(t, setting{as: one.as, other: one})
	b := one.browser(t)
	callback := b.begin(one, "/login")
	copied := one.browser(t)
	for _, c := range b.cookies(one) {
		copied.plant(one, c.Name, c.Value)
	}
	b.want(b.get(callback), 200, "alice")
	copied.want(copied.get(strings.Replace(callback, one.URL, two.URL, 1)), 400, "login_failed")
	if one.as.Hits("/token") != 2 || !strings.Contains(two.log.String(), "Config.Store is not shared") || strings.Contains(one.log.String(), "Config.Store") {
		t.Errorf("%d token requests\n%s\n%s", one.as.Hits("/token"), one.log, two.log)
	}
}

// TestReloadAfterOutage: a login can still be finished after a callback that failed because the
// metadata could not be fetched.
func TestReloadAfterOutage(t *testing.T) {
	as := optest.New(t)
	one := start(t, setting{as: as})
	b := one.browser(t)
	callback := b.begin(one, "/login?return_to=/there")
	two := start(t, setting{as: as, other: one}) // a process that has not fetched the metadata yet
	as.Replace("/.well-known/openid-configuration", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(503) })
	at := strings.Replace(callback, one.URL, two.URL, 1)
	b.want(b.get(at), 503, "temporarily_unavailable")
	as.Replace("/.well-known/openid-configuration", nil)
	eventually(t, func() bool { return b.still().get(at).status == 303 })
	b.want(b.get(two.URL+"/"), 200, "alice")
}
