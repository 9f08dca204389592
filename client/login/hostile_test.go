package login_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/countersign/countersign/client"
	"github.com/countersign/countersign/client/login"
	"github.com/countersign/countersign/client/tokens"
)

// strict is a Store that deletes expired values at once, as redisstore does.
type strict struct {
	shaky
	now func() time.Time
}

func (s *strict) Once(ctx context.Context, key string, until time.Time) (bool, error) {
	if !until.After(s.now()) {
		return false, errors.New("until is over")
	}
	return s.shaky.Once(ctx, key, until)
}

// TestLongExpiredLogin is RP-09: a login that expired long ago is reported as expired, even if
// the Store is empty or down.
func TestLongExpiredLogin(t *testing.T) {
	store := &strict{}
	a := start(t, setting{config: func(c *login.Config) { store.now, c.Store = c.Now, store }})
	b := a.browser(t)
	callback := b.begin(a, "/login?return_to=/there")
	a.clock.turn(time.Hour)
	got := b.get(callback)
	b.want(got, 400, "login_expired")
	b.want(got, 400, `href="/login?return_to=%2Fthere"`)
	if len(b.cookies(a)) != 0 || a.as.Hits("/token") != 0 {
		t.Errorf("%d cookies, %d token requests", len(b.cookies(a)), a.as.Hits("/token"))
	}
}

// meddled is a Store that calls a function before one of its calls.
type meddled struct {
	login.Memory
	before func(call, key string)
}

func (s *meddled) Save(ctx context.Context, key string, value []byte, until time.Time) error {
	s.before("save", key)
	return s.Memory.Save(ctx, key, value, until)
}

func (s *meddled) Link(ctx context.Context, index, key string, until time.Time) error {
	s.before("link", index)
	return s.Memory.Link(ctx, index, key, until)
}

// TestLogoutOvertakes is LO-02: a back-channel logout during a login also ends the session of
// this login.
func TestLogoutOvertakes(t *testing.T) {
	bySid := func(m map[string]any) { m["sid"], m["sub"] = "s1", "alice" }
	bySub := func(m map[string]any) { m["sub"] = "alice" }
	later := func(m map[string]any) { m["sub"], m["iat"] = "alice", m["iat"].(int64)+1 }
	for name, edit := range map[string]func(map[string]any){"sid": bySid, "sub": bySub, "sub a second later": later} {
		for _, at := range []string{"link sub:", "link sid:", "save tokens:", "save session:"} {
			t.Run(name+" before "+at, func(t *testing.T) {
				store := &meddled{}
				a := start(t, setting{config: stored(store)})
				withSession(a.as, "s1")
				b, server, done := a.browser(t), a.browser(t), false
				store.before = func(call, key string) {
					if strings.HasPrefix(call+" "+key, at) && !done {
						done = true
						server.want(server.post(a.URL+"/backchannel", logoutToken(a.as, edit)), 200, "")
					}
				}
				callback := b.begin(a, "/login")
				b.want(b.get(callback), 400, "login_failed")
				b.want(b.get(a.URL+"/"), 200, "nobody")
				if !done {
					t.Fatal("no logout came in between")
				}
				a.clock.turn(2 * time.Second)
				withSession(a.as, "s2")
				b.signIn(a)
			})
		}
	}
}

// TestSameNameOfAnother: a session opens only for the registration with which it began. Another
// registration with the same name, the same keys and the same cookies is rejected. Otherwise
// tokens would go to another server.
func TestSameNameOfAnother(t *testing.T) {
	bothKinds(t, func(t *testing.T, set setting) {
		store := &login.Memory{}
		config := set.and(keepTokens).config
		same := func(c *login.Config) {
			if config(c); c.Store != nil {
				c.Store = store
			}
		}
		one := start(t, setting{config: same})
		b := one.browser(t)
		b.signIn(one)
		two := start(t, setting{config: same, other: one}) // at another server
		b.want(b.get(two.URL+"/"), 200, "nobody")
		b.want(b.still().get(two.URL+"/token"), 303, "")
		if two.as.Hits("/token") != 0 {
			t.Error("tokens of one server were sent to the other")
		}
		b.want(b.get(one.URL+"/"), 200, "alice")
	})
}

// TestTwoLogins: a session of one Login is not accepted by the other.
func TestTwoLogins(t *testing.T) {
	customers := start(t, setting{})
	staff := start(t, setting{as: customers.as, other: customers, config: func(c *login.Config) { c.CookieName = "staff" }})
	page := staff.login.Identify(http.HandlerFunc(whoAmI))
	customers.Config.Handler.(*http.ServeMux).Handle("/staff", customers.login.Require(page))
	b := customers.browser(t)
	b.signIn(customers)
	b.want(b.get(customers.URL+"/staff"), 200, "nobody at /staff")
}

// TestSharedCache: a response that depends on the cookie has Vary, even if a handler allows
// caching.
func TestSharedCache(t *testing.T) {
	a := start(t, setting{})
	b := a.browser(t)
	for _, path := range []string{"/", "/private/"} {
		if got := b.still().get(a.URL + path); !slices.Contains(got.header.Values("Vary"), "Cookie") {
			t.Errorf("%s varies by %q", path, got.header.Values("Vary"))
		}
	}
}

// TestCopiedLogin is LOG-01: a copy of a Login does not print a key.
func TestCopiedLogin(t *testing.T) {
	a := start(t, setting{})
	for _, verb := range []string{"%v", "%+v", "%#v", "%s"} {
		if strings.Contains(fmt.Sprintf(verb, *a.login), "canary") {
			t.Errorf("%s prints a key", verb)
		}
	}
}

// TestAllow: the header Allow is sent only for a method that is rejected.
func TestAllow(t *testing.T) {
	a := start(t, setting{})
	b := a.browser(t)
	if got := b.post(a.URL+"/callback", url.Values{"state": {"x"}}); got.header.Get("Allow") != "" {
		t.Errorf("Allow %q", got.header.Get("Allow"))
	}
	got := b.do(b.request(http.MethodPut, a.URL+"/callback", nil))
	if methods := got.header.Values("Allow"); !slices.Equal(methods, []string{"GET", "POST"}) {
		t.Errorf("Allow %q", methods)
	}
}

// TestAPIThatRefuses: if the API rejects every token and there is no refresh token, the visitor
// sees an error, and no loop of logins.
func TestAPIThatRefuses(t *testing.T) {
	bothKinds(t, func(t *testing.T, set setting) {
		a := start(t, set.and(keepTokens))
		a.as.Token = func(m map[string]any) { delete(m, "refresh_token") }
		a.as.Replace("/api", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("WWW-Authenticate", `Bearer error="invalid_token"`)
			w.WriteHeader(401)
		})
		c := newClient(t, a.as.URL, "", func(c *client.Config) { c.Now = a.clock.now })
		a.Config.Handler.(*http.ServeMux).Handle("/call", a.login.Require(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			user, _ := login.FromContext(r.Context())
			hc := &http.Client{Transport: &tokens.Transport{Client: c, Tokens: user, Origins: []string{a.as.URL}}}
			_, err := hc.Get(a.as.URL + "/api")
			if errors.Is(err, tokens.ErrLoginRequired) {
				a.login.Begin(w, r, login.BeginOptions{ReturnTo: r.RequestURI})
				return
			}
			w.WriteHeader(502)
		})))
		b := a.browser(t)
		b.signIn(a)
		a.clock.turn(time.Minute)
		b.want(b.get(a.URL+"/call"), 502, "")
		if n := a.as.Hits("/token"); n != 2 {
			t.Errorf("%d logins", n)
		}
	})
}
