package login_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/countersign/countersign/client"
	"github.com/countersign/countersign/client/login"
)

// TestUnreadableSID: a logout by sid and sub also ends the user's sessions whose ID token had no
// readable sid. They may be the session that ended. The user's sessions with another sid continue.
// The sessions of other users also continue.
func TestUnreadableSID(t *testing.T) {
	for name, sid := range map[string]any{"a number": 17, "none": nil} {
		t.Run(name, func(t *testing.T) {
			a := start(t, setting{config: stored(&login.Memory{})})
			withSession(a.as, "s1")
			phone, laptop, server := a.browser(t), a.browser(t), a.browser(t).still()
			phone.signIn(a)
			laptopSignsIn := func() {
				a.as.Lock()
				a.as.EditID = func(m map[string]any) {
					if m["sid"] = sid; sid == nil {
						delete(m, "sid")
					}
				}
				a.as.Unlock()
				laptop.signIn(a)
			}
			end := func(sub, sid string) {
				server.want(server.post(a.URL+"/backchannel", logoutToken(a.as, func(m map[string]any) { m["sid"], m["sub"] = sid, sub })), 200, "")
			}
			laptopSignsIn()
			end("bob", "17")
			laptop.want(laptop.get(a.URL+"/"), 200, "alice")
			end("alice", "17")
			laptop.want(laptop.get(a.URL+"/"), 200, "nobody")
			phone.want(phone.get(a.URL+"/"), 200, "alice")

			a.clock.turn(time.Minute)
			laptopSignsIn()
			server.get(a.URL + "/frontchannel?" + url.Values{"iss": {a.as.URL}, "sid": {"17"}}.Encode()) // every client can send it, without sub
			laptop.want(laptop.get(a.URL+"/"), 200, "alice")
			if err := a.login.EndAccess(t.Context(), a.as.URL, "alice", "17", time.Time{}); err != nil {
				t.Fatal(err)
			}
			laptop.want(laptop.get(a.URL+"/"), 200, "nobody")
			phone.want(phone.get(a.URL+"/"), 200, "alice")
		})
	}
}

// TestUnreadableSIDMeanwhile: the same for a login in progress.
func TestUnreadableSIDMeanwhile(t *testing.T) {
	nothing := func() {}
	store := &meanwhile{before: nothing, after: nothing, deleted: nothing}
	a := start(t, setting{config: func(c *login.Config) { c.Store = store }})
	a.as.EditID = func(m map[string]any) { m["sid"] = 17 }
	b, server := a.browser(t), a.browser(t)
	callback := b.begin(a, "/login")
	store.before = sync.OnceFunc(func() {
		server.want(server.post(a.URL+"/backchannel", logoutToken(a.as, func(m map[string]any) { m["sid"], m["sub"] = "17", "alice" })), 200, "")
	})
	b.still().get(callback)
	store.before = nothing
	b.want(b.get(a.URL+"/"), 200, "nobody")
}

// TestForeignAttemptCookies: at most 20 cookies of logins in progress are read. Each one that
// cannot be decrypted is removed.
func TestForeignAttemptCookies(t *testing.T) {
	a := start(t, setting{})
	r := httptest.NewRequest(http.MethodGet, "/login", nil)
	for n := range 60 {
		r.AddCookie(&http.Cookie{Name: fmt.Sprintf("__Host-login-p-%016d", n), Value: "x"})
	}
	w := httptest.NewRecorder()
	a.login.Start().ServeHTTP(w, r)
	removed := 0
	for _, c := range w.Result().Cookies() {
		if c.MaxAge < 0 {
			removed++
		}
	}
	if w.Code != http.StatusSeeOther || removed == 0 || removed > 20 {
		t.Errorf("%d, and %d cookies were read, want 1 to 20", w.Code, removed)
	}
}

// TestProxyReplaysShortBodies: a body of 64 KiB is sent again with a new token. A longer one is
// streamed once, and the page gets the API's response.
func TestProxyReplaysShortBodies(t *testing.T) {
	for size, want := range map[int]int32{64 << 10: 2, 64<<10 + 1: 1} {
		var calls atomic.Int32
		s := startSPA(t, setting{}, []string{"POST /photos"}, func(w http.ResponseWriter, r *http.Request) {
			io.Copy(io.Discard, r.Body)
			if calls.Add(1) == 1 {
				w.Header().Set("WWW-Authenticate", `Bearer error="invalid_token"`)
				w.WriteHeader(http.StatusUnauthorized)
			}
		})
		s.as.Token = func(m map[string]any) { m["refresh_token"] = "canary-refresh-0" }
		b := s.browser(t)
		b.signIn(s.app)
		s.as.RotateRefreshTokens()
		s.clock.turn(time.Minute)
		status := b.fetch(s, "POST", "/api/photos", strings.Repeat("x", size), nil).status
		if calls.Load() != want || (status == 200) != (want == 2) {
			t.Errorf("%d bytes: %d calls and status %d, want %d calls", size, calls.Load(), status, want)
		}
	}
}

// TestProxyEndsWithSession: a stream ends with the session's Lifetime.
func TestProxyEndsWithSession(t *testing.T) {
	ended := make(chan struct{})
	s := startSPA(t, setting{config: func(c *login.Config) { c.Lifetime = time.Hour }}, []string{"GET /events"}, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		io.WriteString(w, "data: 0\n\n")
		w.(http.Flusher).Flush()
		<-r.Context().Done()
		close(ended)
	})
	var resp *http.Response
	for left := 1500 * time.Millisecond; ; left *= 2 { // the session ends in about a second, or later on a busy machine
		if resp = s.events(t, time.Hour-left); resp.StatusCode == 200 {
			break
		}
		if left > time.Minute {
			t.Fatal(resp.Status)
		}
	}
	io.Copy(io.Discard, resp.Body)
	select {
	case <-ended:
	case <-time.After(2 * time.Minute):
		t.Error("the stream did not end with the session")
	}
}

// events opens a stream with a session of that age.
func (s *spa) events(t *testing.T, age time.Duration) *http.Response {
	t.Helper()
	b := s.browser(t)
	b.signIn(s.app)
	r := b.request(http.MethodGet, s.URL+"/api/events", nil)
	r.Header.Set("X-CSRF-Token", fmt.Sprint(b.info(s.app)["csrf_token"]))
	r.Header.Set("Sec-Fetch-Site", "same-origin")
	s.clock.turn(age)
	resp, err := b.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { resp.Body.Close() })
	if resp.StatusCode != 200 {
		s.clock.turn(-age) // for the next login
	}
	return resp
}

// dated records the deadline of each call of the Store.
type dated struct {
	login.Memory
	mu      sync.Mutex
	longest time.Duration
	calls   map[string]bool
}

func (d *dated) note(ctx context.Context, call string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	left := time.Duration(1<<63 - 1)
	if until, ok := ctx.Deadline(); ok {
		left = time.Until(until)
	}
	d.longest = max(d.longest, left)
	if d.calls == nil {
		d.calls = map[string]bool{}
	}
	d.calls[call] = true
}

func (d *dated) Load(ctx context.Context, key string) ([]byte, error) {
	d.note(ctx, "Load")
	return d.Memory.Load(ctx, key)
}

func (d *dated) Save(ctx context.Context, key string, value []byte, until time.Time) error {
	d.note(ctx, "Save")
	return d.Memory.Save(ctx, key, value, until)
}

func (d *dated) Delete(ctx context.Context, key string) error {
	d.note(ctx, "Delete")
	return d.Memory.Delete(ctx, key)
}

func (d *dated) Link(ctx context.Context, index, key string, until time.Time) error {
	d.note(ctx, "Link")
	return d.Memory.Link(ctx, index, key, until)
}

func (d *dated) Linked(ctx context.Context, index string) ([]string, error) {
	d.note(ctx, "Linked")
	return d.Memory.Linked(ctx, index)
}

func (d *dated) Unlink(ctx context.Context, index, key string) error {
	d.note(ctx, "Unlink")
	return d.Memory.Unlink(ctx, index, key)
}

func (d *dated) Once(ctx context.Context, key string, until time.Time) (bool, error) {
	d.note(ctx, "Once")
	return d.Memory.Once(ctx, key, until)
}

func (d *dated) Acquire(ctx context.Context, key string, life time.Duration) (func(), bool, error) {
	d.note(ctx, "Acquire")
	return d.Memory.Acquire(ctx, key, life)
}

// TestStoreDeadline: each call of a Store has 5 seconds at most. The calls are of a login, a
// refresh, a logout here and one at the server.
func TestStoreDeadline(t *testing.T) {
	store := &dated{}
	a := start(t, setting{config: stored(store)})
	a.as.Token = func(m map[string]any) { m["refresh_token"] = "canary-refresh-0" }
	b := a.browser(t)
	b.signIn(a)
	a.as.RotateRefreshTokens()
	a.clock.turn(6 * time.Minute)
	b.get(a.URL + "/token")
	b.post(a.URL+"/logout", nil)

	a = start(t, setting{config: stored(store)})
	b, server := a.browser(t), a.browser(t).still()
	b.signIn(a)
	server.want(server.post(a.URL+"/backchannel", logoutToken(a.as, func(m map[string]any) { m["sub"] = "alice" })), 200, "")
	if store.longest > 5*time.Second {
		t.Errorf("a call may take %v, want 5s at most", store.longest)
	}
	for _, call := range []string{"Load", "Save", "Delete", "Link", "Linked", "Unlink", "Once"} {
		if !store.calls[call] {
			t.Errorf("%s was not called", call)
		}
	}
}

// TestEarlierSessionStays: a login that Config.SignIn rejects does not end the earlier session.
func TestEarlierSessionStays(t *testing.T) {
	var reject atomic.Bool
	bothKinds(t, func(t *testing.T, set setting) {
		reject.Store(false)
		a := start(t, set.and(func(c *login.Config) {
			c.SignIn = func(context.Context, *login.User, *client.Tokens, url.Values) error {
				if reject.Load() {
					return errors.New("not today")
				}
				return nil
			}
		}))
		b := a.browser(t)
		b.signIn(a)
		reject.Store(true)
		b.want(b.get(a.URL+"/login"), 403, "")
		b.want(b.get(a.URL+"/"), 200, "alice")
	})
}

// TestReadyDoesNotWrite: Ready does not change the Store.
func TestReadyDoesNotWrite(t *testing.T) {
	store := &dated{}
	a := start(t, setting{config: stored(store)})
	if err := a.login.Ready(t.Context()); err != nil {
		t.Fatal(err)
	}
	if len(store.calls) != 1 || !store.calls["Load"] {
		t.Errorf("the probe called %v", store.calls)
	}
}
