package login_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/countersign/countersign/client"
	"github.com/countersign/countersign/client/login"
	"github.com/countersign/countersign/internal/optest"
)

func keepTokens(c *login.Config) { c.KeepTokens = true }

// longTokens lets the server issue tokens that need two cookies.
func longTokens(t *testing.T) *optest.Server {
	as := optest.New(t)
	as.Opaque = true
	as.Token = func(m map[string]any) { m["refresh_token"] = "canary-" + strings.Repeat("r", 3200) }
	return as
}

// TestCookieAttributes is WEB-01: the attributes of every cookie.
func TestCookieAttributes(t *testing.T) {
	a := start(t, setting{as: longTokens(t), config: keepTokens})
	var seen []string
	b := a.browser(t)
	b.Transport = watch{b.Transport, func(resp *http.Response) {
		for _, line := range resp.Header["Set-Cookie"] {
			c, err := http.ParseSetCookie(line)
			if err != nil {
				t.Fatal(err)
			}
			seen = append(seen, c.Name)
			if !strings.HasPrefix(c.Name, "__Host-") || !c.Secure || !c.HttpOnly || c.Path != "/" || c.Domain != "" || c.SameSite != http.SameSiteLaxMode {
				t.Errorf("%s is set without care", c.Name)
			}
			if len(line) > 4000 {
				t.Errorf("WEB-03: %s takes %d bytes", c.Name, len(line))
			}
		}
	}}
	b.signIn(a)
	b.post(a.URL+"/logout", url.Values{})
	all := strings.Join(seen, " ")
	for _, name := range []string{"__Host-login-p-", "__Host-login ", "__Host-login-t ", "__Host-login-t-1 ", "__Host-login-done", "__Host-login-out"} {
		if !strings.Contains(all, name) {
			t.Errorf("%s was not set: %s", name, all)
		}
	}
	if left := b.cookies(a); len(left) != 0 {
		t.Errorf("after the logout there are still %d cookies", len(left))
	}
}

// watch records every response.
type watch struct {
	http.RoundTripper
	see func(*http.Response)
}

func (w watch) RoundTrip(r *http.Request) (*http.Response, error) {
	resp, err := w.RoundTripper.RoundTrip(r)
	if err == nil {
		w.see(resp)
	}
	return resp, err
}

// TestCookieFaults is WEB-03: a visitor with a broken cookie is signed out, and can sign in
// again.
func TestCookieFaults(t *testing.T) {
	const name = "__Host-login"
	flip := func(s string, i int) string {
		c := byte('A')
		if s[i] == c {
			c = 'B'
		}
		return s[:i] + string(c) + s[i+1:]
	}
	faults := map[string]func(a *app, b *browser){
		"tampered at the start":  func(a *app, b *browser) { b.plant(a, name, flip(b.cookie(a, name), 0)) },
		"tampered in the salt":   func(a *app, b *browser) { b.plant(a, name, flip(b.cookie(a, name), 8)) },
		"tampered in the middle": func(a *app, b *browser) { b.plant(a, name, flip(b.cookie(a, name), len(b.cookie(a, name))/2)) },
		"tampered near the end":  func(a *app, b *browser) { b.plant(a, name, flip(b.cookie(a, name), len(b.cookie(a, name))-3)) },
		"cut":                    func(a *app, b *browser) { v := b.cookie(a, name); b.plant(a, name, v[:len(v)/2]) },
		"cut to a byte":          func(a *app, b *browser) { b.plant(a, name, b.cookie(a, name)[:1]) },
		"longer":                 func(a *app, b *browser) { b.plant(a, name, b.cookie(a, name)+"AAAA") },
		"not base64":             func(a *app, b *browser) { b.plant(a, name, "!$%&/") },
		"over 4 kB":              func(a *app, b *browser) { b.plant(a, name, strings.Repeat("A", 5000)) },
		"dropped":                func(a *app, b *browser) { b.plant(a, name, "") },
		"WEB-02 a login under way": func(a *app, b *browser) {
			b.begin(a, "/login")
			b.plant(a, name, b.cookies(a)[len(b.cookies(a))-1].Value)
		},
		"WEB-02 the tokens": func(a *app, b *browser) { b.plant(a, name, strings.TrimPrefix(b.cookie(a, name+"-t"), "1.")) },
		"WEB-02 the mark":   func(a *app, b *browser) { b.plant(a, name, b.cookie(a, name+"-done")) },
	}
	bothKinds(t, func(t *testing.T, set setting) {
		for what, spoil := range faults {
			t.Run(what, func(t *testing.T) {
				a := start(t, set.and(keepTokens))
				b := a.browser(t)
				b.signIn(a)
				a.clock.turn(time.Minute)
				spoil(a, b)
				b.plant(a, "__Host-login-done", "") // the server has removed it
				b.want(b.get(a.URL+"/"), 200, "nobody")
				b.signIn(a)
			})
		}
	})
}

// TestTokenCookieFaults: with broken cookies of tokens the visitor is still signed in. For tokens
// a new login is required.
func TestTokenCookieFaults(t *testing.T) {
	const first, second = "__Host-login-t", "__Host-login-t-1"
	for what, spoil := range map[string]func(a *app, b *browser){
		"first missing":  func(a *app, b *browser) { b.plant(a, first, "") },
		"second missing": func(a *app, b *browser) { b.plant(a, second, "") },
		"swapped": func(a *app, b *browser) {
			x, y := b.cookie(a, first), b.cookie(a, second)
			b.plant(a, first, y)
			b.plant(a, second, x)
		},
		"count too large":  func(a *app, b *browser) { b.plant(a, first, "9"+b.cookie(a, first)[1:]) },
		"count too small":  func(a *app, b *browser) { b.plant(a, first, "1"+b.cookie(a, first)[1:]) },
		"count of nothing": func(a *app, b *browser) { b.plant(a, first, "0.") },
		"no count":         func(a *app, b *browser) { b.plant(a, first, "AAAA") },
		"second cut":       func(a *app, b *browser) { b.plant(a, second, b.cookie(a, second)[:10]) },
		"of another user": func(a *app, b *browser) {
			other := a.browser(t)
			other.signIn(a)
			b.plant(a, first, other.cookie(a, first))
			b.plant(a, second, other.cookie(a, second))
		},
	} {
		t.Run(what, func(t *testing.T) {
			a := start(t, setting{as: longTokens(t), config: keepTokens})
			b := a.browser(t)
			b.signIn(a)
			b.want(b.get(a.URL+"/token"), 200, "canary")
			if b.cookie(a, second) == "" {
				t.Fatal("the tokens do not take two cookies")
			}
			a.clock.turn(11 * time.Minute) // a new process has no tokens in memory
			spoil(a, b)
			b.want(b.get(a.URL+"/"), 200, "alice")
			b.want(b.get(a.URL+"/token"), 403, "login required")
			b.want(b.get(a.URL+"/login"), 200, "alice")
			b.want(b.get(a.URL+"/token"), 200, "canary")
		})
	}
}

// TestTooLarge: a session that does not fit into cookies ends the login. The log contains the
// setting to change.
func TestTooLarge(t *testing.T) {
	as := optest.New(t)
	as.Token = func(m map[string]any) { m["refresh_token"] = strings.Repeat("r", 8000) }
	a := start(t, setting{as: as, config: keepTokens})
	b := a.browser(t)
	b.want(b.get(a.URL+"/private/"), 413, "session_too_large")
	b.want(b.get(a.URL+"/"), 200, "nobody")
	if !strings.Contains(a.log.String(), "level=ERROR") || !strings.Contains(a.log.String(), "Config.Store") {
		t.Error("the log does not say what to do")
	}
	stored := start(t, setting{as: as, config: func(c *login.Config) { c.KeepTokens, c.Store = true, &login.Memory{} }})
	stored.browser(t).signIn(stored)
}

// TestIDTokenGivesWay: if the cookies are too large, the ID token is omitted first.
func TestIDTokenGivesWay(t *testing.T) {
	as := optest.New(t)
	as.EditID = func(m map[string]any) { m["groups"] = strings.Repeat("g", 6000) }
	a := start(t, setting{as: as, config: keepTokens})
	b := a.browser(t)
	b.signIn(a)
	b.want(b.get(a.URL+"/token"), 200, "ey")
}

// TestKeyRotation is WEB-03: the first key seals, and every key opens.
func TestKeyRotation(t *testing.T) {
	keys := func(names ...string) func(*login.Config) {
		return func(c *login.Config) {
			c.Keys = nil
			for _, name := range names {
				c.Keys = append(c.Keys, key(name))
			}
		}
	}
	old := start(t, setting{config: keys("old")})
	b := old.browser(t)
	callback := b.begin(old, "/private/")
	next := start(t, setting{as: old.as, config: keys("new", "old"), other: old})
	b.want(b.get(strings.Replace(callback, old.URL, next.URL, 1)), 200, "alice")
	before := b.cookie(next, "__Host-login")
	old.clock.turn(30 * time.Minute)
	b.want(b.get(next.URL+"/"), 200, "alice")
	if b.cookie(next, "__Host-login") == before {
		t.Fatal("the cookie was not sealed anew")
	}
	last := start(t, setting{as: old.as, config: keys("new"), other: old})
	b.want(b.get(last.URL+"/"), 200, "alice")
	b.want(b.get(old.URL+"/"), 200, "nobody")

	stale := start(t, setting{as: old.as, config: keys("newest"), other: old})
	b.want(b.get(stale.URL+"/"), 200, "nobody")
}

// TestNoSecretInCookies: the content of a cookie is encrypted.
func TestNoSecretInCookies(t *testing.T) {
	a := start(t, setting{config: keepTokens})
	b := a.browser(t)
	b.signIn(a)
	for _, c := range b.cookies(a) {
		if strings.Contains(c.Value, "ey") && strings.Count(c.Value, ".") > 1 {
			t.Errorf("%s holds a JWT", c.Name)
		}
	}
}

// TestInsecureHTTP: on loopback without TLS cookies have neither the prefix nor Secure.
func TestInsecureHTTP(t *testing.T) {
	a := start(t, setting{plain: true, client: func(c *client.Config) { c.ResponseMode = "form_post" }})
	b := a.browser(t)
	u, _ := url.Parse(b.begin(a, "/login?return_to=/there"))
	form := u.Query()
	u.RawQuery = ""
	b.want(b.post(u.String(), form), 200, "alice at /there")
	for _, c := range b.cookies(a) {
		if strings.HasPrefix(c.Name, "__Host-") {
			t.Errorf("%s, which a browser refuses on http", c.Name)
		}
	}
}
