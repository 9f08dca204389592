package login_test

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/countersign/countersign/client"
	"github.com/countersign/countersign/client/login"
	"github.com/countersign/countersign/internal/optest"
)

// TestFixation is WEB-02: a session that somebody planted in the browser is not the one
// that the visitor has after a login, and ends with it.
func TestFixation(t *testing.T) {
	bothKinds(t, func(t *testing.T, set setting) {
		a := start(t, set)
		attacker, victim := a.browser(t), a.browser(t)
		a.as.EditID = func(m map[string]any) { m["sub"] = "mallory" }
		attacker.get(a.URL + "/login")
		planted := attacker.cookie(a, "__Host-login")
		victim.plant(a, "__Host-login", planted)

		a.as.Lock()
		a.as.EditID = nil
		a.as.Unlock()
		victim.want(victim.get(a.URL+"/login"), 200, "alice")
		if victim.cookie(a, "__Host-login") == planted {
			t.Error("the planted session goes on")
		}
		attacker.want(attacker.get(a.URL+"/"), 200, "nobody")
	})
}

// TestIdleAndLifetime: a session ends when nobody uses it, and at the latest when its time
// is over.
func TestIdleAndLifetime(t *testing.T) {
	bothKinds(t, func(t *testing.T, set setting) {
		a := start(t, set.and(func(c *login.Config) { c.Idle, c.Lifetime = 10*time.Minute, time.Hour }))
		b := a.browser(t)
		b.signIn(a)
		a.clock.turn(11 * time.Minute)
		b.want(b.get(a.URL+"/"), 200, "nobody")

		b.want(b.get(a.URL+"/login"), 200, "alice")
		for range 6 {
			a.clock.turn(9 * time.Minute)
			b.want(b.get(a.URL+"/"), 200, "alice")
		}
		kept := b.cookie(a, "__Host-login")
		a.clock.turn(7 * time.Minute)
		b.plant(a, "__Host-login", kept)
		b.want(b.get(a.URL+"/"), 200, "nobody")
	})
}

// TestFuture: a session from the future is none.
func TestFuture(t *testing.T) {
	bothKinds(t, func(t *testing.T, set setting) {
		a := start(t, set)
		b := a.browser(t)
		b.signIn(a)
		a.clock.turn(-30 * time.Second)
		b.want(b.get(a.URL+"/"), 200, "alice")
		a.clock.turn(-time.Hour)
		b.want(b.get(a.URL+"/"), 200, "nobody")
	})
}

// TestCopiedCookie: after the logout a copy of the cookie opens nothing at this process,
// and with a Store at none.
func TestCopiedCookie(t *testing.T) {
	bothKinds(t, func(t *testing.T, set setting) {
		a := start(t, set)
		b, thief := a.browser(t), a.browser(t)
		b.signIn(a)
		thief.plant(a, "__Host-login", b.cookie(a, "__Host-login"))
		thief.want(thief.get(a.URL+"/"), 200, "alice")
		b.post(a.URL+"/logout", url.Values{})
		thief.want(thief.get(a.URL+"/"), 200, "nobody")
	})
}

// shaky is a Store that can be down.
type shaky struct {
	login.Memory
	down  atomic.Bool
	calls atomic.Int64
}

var errDown = errors.New("the connection is refused")

func (s *shaky) check() error {
	s.calls.Add(1)
	if s.down.Load() {
		return errDown
	}
	return nil
}

func (s *shaky) Load(ctx context.Context, key string) ([]byte, error) {
	if err := s.check(); err != nil {
		return nil, err
	}
	return s.Memory.Load(ctx, key)
}

func (s *shaky) Save(ctx context.Context, key string, value []byte, until time.Time) error {
	if err := s.check(); err != nil {
		return err
	}
	return s.Memory.Save(ctx, key, value, until)
}

func (s *shaky) Delete(ctx context.Context, key string) error {
	if err := s.check(); err != nil {
		return err
	}
	return s.Memory.Delete(ctx, key)
}

func (s *shaky) Link(ctx context.Context, index, key string, until time.Time) error {
	if err := s.check(); err != nil {
		return err
	}
	return s.Memory.Link(ctx, index, key, until)
}

func (s *shaky) Linked(ctx context.Context, index string) ([]string, error) {
	if err := s.check(); err != nil {
		return nil, err
	}
	return s.Memory.Linked(ctx, index)
}

func (s *shaky) Unlink(ctx context.Context, index, key string) error {
	if err := s.check(); err != nil {
		return err
	}
	return s.Memory.Unlink(ctx, index, key)
}

func (s *shaky) Once(ctx context.Context, key string, until time.Time) (bool, error) {
	if err := s.check(); err != nil {
		return false, err
	}
	return s.Memory.Once(ctx, key, until)
}

func (s *shaky) Acquire(ctx context.Context, key string, d time.Duration) (func(), bool, error) {
	if err := s.check(); err != nil {
		return func() {}, false, err
	}
	return s.Memory.Acquire(ctx, key, d)
}

// TestStoreDown: 503 wherever the Store is asked, nobody is let in, no code is sent, and
// when it is back all goes on.
func TestStoreDown(t *testing.T) {
	store := &shaky{}
	a := start(t, setting{config: func(c *login.Config) { c.Store, c.KeepTokens = store, true }})
	b, late := a.browser(t), a.browser(t)
	b.signIn(a)
	callback := late.begin(a, "/private/late")
	posts := a.as.Hits("/token")

	store.down.Store(true)
	b.want(b.get(a.URL+"/private/"), 503, "temporarily_unavailable")
	b.want(b.get(a.URL+"/"), 503, "temporarily_unavailable")
	b.want(b.get(a.URL+"/token"), 503, "temporarily_unavailable")
	b.want(b.get(a.URL+"/callback?state=x&code=y"), 503, "temporarily_unavailable")
	late.want(late.still().get(callback), 503, "temporarily_unavailable")
	if a.as.Hits("/token") != posts {
		t.Error("a code was sent that nobody could consume")
	}
	kept := b.cookie(a, "__Host-login")
	b.want(b.post(a.URL+"/logout", url.Values{}), 503, "temporarily_unavailable")
	b.want(b.get(a.URL+"/"), 200, "nobody") // the cookie is gone, at least

	store.down.Store(false)
	b.plant(a, "__Host-login", kept)
	b.want(b.get(a.URL+"/"), 200, "alice")
	late.signIn(a)
	if strings.Contains(a.log.String(), "canary") {
		t.Error("LOG-01: a secret is in the log")
	}
}

// TestStoreDownAtEachCall: the callback survives the Store's end at any of its calls, and
// leaves nobody signed in.
func TestStoreDownAtEachCall(t *testing.T) {
	for n := range 20 {
		store := &failsAt{at: int64(n)}
		a := start(t, setting{config: func(c *login.Config) { c.Store, c.KeepTokens = store, true }})
		b := a.browser(t)
		got := b.still().get(b.begin(a, "/login"))
		if store.calls.Load() <= int64(n) {
			if got.status != 303 || n < 4 {
				t.Errorf("%d after %d calls", got.status, n)
			}
			return
		}
		b.want(got, 503, "temporarily_unavailable")
		b.want(b.get(a.URL+"/"), 200, "nobody")
	}
	t.Error("a login takes more than 20 calls of the Store")
}

// failsAt is a Store one call of which fails.
type failsAt struct {
	shaky
	at int64
}

func (s *failsAt) fail() { s.down.Store(s.calls.Load() == s.at) }

func (s *failsAt) Load(ctx context.Context, key string) ([]byte, error) {
	s.fail()
	return s.shaky.Load(ctx, key)
}

func (s *failsAt) Save(ctx context.Context, key string, value []byte, until time.Time) error {
	s.fail()
	return s.shaky.Save(ctx, key, value, until)
}

func (s *failsAt) Link(ctx context.Context, index, key string, until time.Time) error {
	s.fail()
	return s.shaky.Link(ctx, index, key, until)
}

func (s *failsAt) Once(ctx context.Context, key string, until time.Time) (bool, error) {
	s.fail()
	return s.shaky.Once(ctx, key, until)
}

// TestClaims: what is kept of the ID token and of UserInfo is what was named.
func TestClaims(t *testing.T) {
	bothKinds(t, func(t *testing.T, set setting) {
		as := optest.New(t)
		at := time.Now().Add(-time.Minute).Unix()
		as.EditID = func(m map[string]any) {
			m["name"], m["secret"], m["acr"], m["auth_time"], m["amr"] = "Alice A.", "canary", "urn:gold", at, []string{"pwd"}
		}
		set.as = as
		var user *login.User
		a := start(t, set.and(func(c *login.Config) { c.Claims, c.UserInfo = []string{"name", "email", "nickname"}, true }))
		a.Config.Handler.(*http.ServeMux).Handle("/user", a.login.Require(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			user, _ = login.FromContext(r.Context())
		})))
		b := a.browser(t)
		b.get(a.URL + "/user")
		if user == nil || user.Claim("name") != "Alice A." || user.Claim("email") != "alice@example.com" || user.Claim("secret") != "" || user.Claim("nickname") != "" {
			t.Fatalf("%v", user)
		}
		if user.Issuer != as.URL || user.Subject != "alice" || user.Client != "main" || user.ACR != "urn:gold" || user.AMR[0] != "pwd" || user.AuthTime.Unix() != at {
			t.Errorf("%v", user)
		}
		var claims struct{ Name, Email, Sub string }
		if err := user.Claims(&claims); err != nil || claims.Name != "Alice A." || claims.Sub != "" {
			t.Errorf("%v, %v", claims, err)
		}
		if _, err := user.Tokens(t.Context()); err == nil {
			t.Error("tokens that were not to be kept")
		}
	})
}

// TestRefreshOnce: many requests at once find the access token ended, and one of them
// refreshes, whatever the tabs and with a Store whatever the processes.
func TestRefreshOnce(t *testing.T) {
	bothKinds(t, func(t *testing.T, set setting) {
		store := &login.Memory{}
		as := optest.New(t)
		as.Token = func(m map[string]any) { m["refresh_token"] = "canary-refresh-0" }
		shared := set.config != nil
		config := func(c *login.Config) {
			if c.KeepTokens = true; shared {
				c.Store = store
			}
		}
		one := start(t, setting{as: as, config: config})
		bases := []string{one.URL}
		if shared {
			bases = append(bases, start(t, setting{as: as, config: config, other: one}).URL)
		}
		b := one.browser(t)
		b.signIn(one)
		rotation := as.RotateRefreshTokens()
		for round := 1; round <= 3; round++ {
			one.clock.turn(6 * time.Minute)
			var group sync.WaitGroup
			for i := range 12 {
				group.Go(func() { b.want(b.get(bases[i%len(bases)]+"/token"), 200, "canary-access-") })
			}
			group.Wait()
			if rotation.Posts() != round || rotation.Revoked() {
				t.Fatalf("round %d: %d refreshes, theft seen %t", round, rotation.Posts(), rotation.Revoked())
			}
		}
	})
}

// TestRefreshLost: the answer with the new cookie never came; the old cookie comes again,
// and the new tokens are found here.
func TestRefreshLost(t *testing.T) {
	as := optest.New(t)
	as.Token = func(m map[string]any) { m["refresh_token"] = "canary-refresh-0" }
	a := start(t, setting{as: as, config: keepTokens})
	b := a.browser(t)
	b.signIn(a)
	rotation := as.RotateRefreshTokens()
	a.clock.turn(6 * time.Minute)
	old := b.cookie(a, "__Host-login-t")
	b.want(b.get(a.URL+"/token"), 200, "canary-access-1")
	b.plant(a, "__Host-login-t", old)
	b.want(b.get(a.URL+"/token"), 200, "canary-access-1")
	if b.cookie(a, "__Host-login-t") == old || rotation.Posts() != 1 {
		t.Errorf("the new tokens do not reach the browser, or were got %d times", rotation.Posts())
	}
	other := start(t, setting{as: as, config: keepTokens, other: a}) // has seen nothing of that
	b.want(b.get(other.URL+"/token"), 200, "canary-access-1")
}

// TestRefreshAndClocks: a clock that goes back does not bring spent tokens back.
func TestRefreshAndClocks(t *testing.T) {
	as := optest.New(t)
	as.Token = func(m map[string]any) { m["refresh_token"], m["expires_in"] = "canary-refresh-0", 60 }
	a := start(t, setting{as: as, config: keepTokens})
	b := a.browser(t)
	b.signIn(a)
	as.RotateRefreshTokens()
	a.clock.turn(2 * time.Minute)
	old := b.cookie(a, "__Host-login-t")
	b.want(b.get(a.URL+"/token"), 200, "canary-access-1")
	a.clock.turn(6 * time.Minute)
	later := b.cookie(a, "__Host-login-t")
	a.clock.turn(-6*time.Minute - 30*time.Second)
	b.plant(a, "__Host-login-t", old)
	b.want(b.get(a.URL+"/token"), 200, "canary-access-1")
	if b.cookie(a, "__Host-login-t") == old || later == old {
		t.Error("the spent tokens are in the browser")
	}
}

// TestRefreshEnds: when the server takes the refresh token no more, it is asked once, and
// a new login is what helps.
func TestRefreshEnds(t *testing.T) {
	bothKinds(t, func(t *testing.T, set setting) {
		a := start(t, set.and(keepTokens))
		b := a.browser(t)
		b.signIn(a)
		a.as.Replace("/token", func(w http.ResponseWriter, _ *http.Request) {
			optest.JSON(w, 400, map[string]string{"error": "invalid_grant"})
		})
		a.clock.turn(6 * time.Minute)
		posts := a.as.Hits("/token")
		for range 3 {
			b.want(b.get(a.URL+"/token"), 403, "login required")
		}
		if got := a.as.Hits("/token") - posts; got != 1 {
			t.Errorf("%d refreshes", got)
		}
		b.want(b.get(a.URL+"/"), 200, "alice")
		a.as.Replace("/token", nil)
		b.want(b.get(a.URL+"/login"), 200, "alice")
		b.want(b.get(a.URL+"/token"), 200, "ey")
	})
}

// TestManyCalls: a handler asks for tokens from many goroutines.
func TestManyCalls(t *testing.T) {
	a := start(t, setting{config: keepTokens})
	a.as.Token = func(m map[string]any) { m["refresh_token"] = "canary-refresh-0" }
	a.Config.Handler.(*http.ServeMux).Handle("/many", a.login.Require(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		user, _ := login.FromContext(r.Context())
		var group sync.WaitGroup
		for range 20 {
			group.Go(func() {
				if _, err := user.Tokens(r.Context()); err != nil {
					t.Error(err)
				}
			})
		}
		group.Wait()
	})))
	b := a.browser(t)
	b.signIn(a)
	rotation := a.as.RotateRefreshTokens()
	a.clock.turn(6 * time.Minute)
	b.want(b.get(a.URL+"/many"), 200, "")
	a.clock.turn(6 * time.Minute)
	b.want(b.get(a.URL+"/many"), 200, "")
	if rotation.Posts() != 2 || rotation.Revoked() {
		t.Errorf("%d refreshes", rotation.Posts())
	}
}

// TestTransport: the user is a source of tokens for client.Transport.
func TestTransport(t *testing.T) {
	var _ client.TokenSource = (*login.User)(nil)
	bothKinds(t, func(t *testing.T, set setting) {
		a := start(t, set.and(keepTokens))
		api := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.Header.Get("Authorization") != "Bearer canary-access-1" {
				w.Header().Set("WWW-Authenticate", `Bearer error="invalid_token"`)
				w.WriteHeader(401)
			}
		})
		a.as.Replace("/api", api)
		c := newClient(t, a.as.URL, "", nil)
		a.Config.Handler.(*http.ServeMux).Handle("/call", a.login.Require(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			user, _ := login.FromContext(r.Context())
			hc := &http.Client{Transport: &client.Transport{Client: c, Tokens: user, Origins: []string{a.as.URL}}}
			resp, err := hc.Get(a.as.URL + "/api")
			if err != nil {
				t.Error(err)
				return
			}
			defer resp.Body.Close()
			w.WriteHeader(resp.StatusCode)
		})))
		a.as.Token = func(m map[string]any) { m["refresh_token"] = "canary-refresh-0" }
		b := a.browser(t)
		b.signIn(a)
		a.as.RotateRefreshTokens()
		b.want(b.get(a.URL+"/call"), 200, "")
		b.want(b.get(a.URL+"/call"), 200, "")
	})
}
