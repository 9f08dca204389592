package login_test

import (
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/countersign/countersign/client"
	"github.com/countersign/countersign/client/login"
	"github.com/countersign/countersign/client/tokens"
	"github.com/countersign/countersign/internal/optest"
)

// TestRefreshOnce: if many requests find an expired access token, one of them refreshes it. With
// a Store that includes all processes.
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

// TestRefreshLost: the browser did not receive the new cookie. With the old cookie the process
// finds the new tokens in memory.
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
	other := start(t, setting{as: as, config: keepTokens, other: a}) // another process, without these tokens
	b.want(b.get(other.URL+"/token"), 200, "canary-access-1")
}

// TestRefreshAndClocks: used tokens are not used again after a clock was set back.
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

// TestRefreshEnds: after the server has rejected the refresh token, no further request is sent. A
// new login is required.
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

// TestManyCalls: a handler requests tokens from many goroutines.
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

// TestTransport: the user is a source of tokens for tokens.Transport.
func TestTransport(t *testing.T) {
	var _ tokens.Source = (*login.User)(nil)
	bothKinds(t, func(t *testing.T, set setting) {
		a := start(t, set.and(keepTokens))
		api := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.Header.Get("Authorization") != "Bearer canary-access-1" {
				w.Header().Set("WWW-Authenticate", `Bearer error="invalid_token"`)
				w.WriteHeader(401)
			}
		})
		a.as.Replace("/api", api)
		c := newClient(t, a.as.URL, "", func(c *client.Config) { c.Now = a.clock.now })
		a.Config.Handler.(*http.ServeMux).Handle("/call", a.login.Require(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			user, _ := login.FromContext(r.Context())
			hc := &http.Client{Transport: &tokens.Transport{Client: c, Tokens: user, Origins: []string{a.as.URL}}}
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
		a.clock.turn(time.Minute)
		b.want(b.get(a.URL+"/call"), 200, "")
		b.want(b.get(a.URL+"/call"), 200, "")
	})
}
