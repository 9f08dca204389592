package login_test

import (
	"net/http"
	"net/url"
	"testing"
	"time"

	"github.com/countersign/countersign/client/login"
	"github.com/countersign/countersign/internal/optest"
)

// TestFixation is WEB-02: a login replaces a session that an attacker put into the browser, and
// ends it.
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

// TestIdleAndLifetime: a session ends after Idle without a request, and after Lifetime.
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

// TestStaleSession is RP-29: after a session has expired, the visitor signs in and returns to the
// requested page. A form or a script gets 401.
func TestStaleSession(t *testing.T) {
	bothKinds(t, func(t *testing.T, set setting) {
		a := start(t, set)
		b := a.browser(t)
		b.signIn(a)
		a.clock.turn(2 * time.Hour)
		b.want(b.post(a.URL+"/private/form", url.Values{"a": {"b"}}), 401, "login_required")
		script := b.request(http.MethodGet, a.URL+"/private/data", nil)
		script.Header.Set("Sec-Fetch-Mode", "cors")
		b.want(b.do(script), 401, `"login_required"`)
		b.want(b.get(a.URL+"/private/x?y=z"), 200, "alice at /private/x?y=z")
		if a.as.Hits("/token") != 2 {
			t.Errorf("%d token requests", a.as.Hits("/token"))
		}
	})
}

// TestFuture: a session that begins in the future is rejected.
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

// TestCopiedCookie: after the logout this process rejects a copy of the cookie. With a Store
// every process does.
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

// TestClaims: a session contains only the claims of Config.Claims.
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
