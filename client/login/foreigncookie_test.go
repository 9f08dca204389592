package login_test

import (
	"crypto/tls"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/countersign/countersign/client/login"
)

const (
	otherKeys         = "Config.Keys do not open a cookie"
	otherRegistration = "a session cookie belongs to another registration"
)

// keysOf sets the keys of an application.
func keysOf(names ...string) func(*setting) {
	return func(s *setting) {
		s.config = func(c *login.Config) {
			c.Keys = nil
			for _, name := range names {
				c.Keys = append(c.Keys, key(name))
			}
		}
	}
}

// elsewhere makes an application use another server.
func elsewhere(s *setting) { s.as = nil }

func inMemory(s *setting) { s.config = func(c *login.Config) { c.Store = &login.Memory{} } }

func onHTTP(s *setting) { s.plain = true }

// TestTwoOnOneHost: two applications or processes whose cookies reach each other, as on two ports
// of localhost. Each logs one WARN that names both causes if it cannot use the other's cookie,
// however many requests come. It logs none if it can.
func TestTwoOnOneHost(t *testing.T) {
	for name, test := range map[string]struct {
		one, two       []func(*setting)
		oneSay, twoSay string // "": no WARN
	}{
		"same keys":                  {nil, nil, "", ""},
		"keys in another order":      {[]func(*setting){keysOf("a", "b")}, []func(*setting){keysOf("b", "a")}, "", ""},
		"other keys":                 {[]func(*setting){keysOf("a")}, []func(*setting){keysOf("b")}, otherKeys, otherKeys},
		"other keys on http":         {[]func(*setting){onHTTP, keysOf("a")}, []func(*setting){onHTTP, keysOf("b")}, otherKeys, otherKeys},
		"a new key and the old one":  {[]func(*setting){keysOf("new", "old")}, []func(*setting){keysOf("old")}, "", otherKeys},
		"a new key, the old is gone": {[]func(*setting){keysOf("new")}, []func(*setting){keysOf("old")}, otherKeys, otherKeys},
		"another server":             {nil, []func(*setting){elsewhere}, otherRegistration, otherRegistration},
		"other keys and server":      {nil, []func(*setting){keysOf("b"), elsewhere}, otherKeys, otherKeys},
		"one has a store":            {nil, []func(*setting){inMemory}, otherKeys, otherKeys},
		"both have a store":          {[]func(*setting){inMemory}, []func(*setting){inMemory, elsewhere}, otherRegistration, otherRegistration},
		"https and http":             {[]func(*setting){keysOf("a")}, []func(*setting){onHTTP, keysOf("b")}, "", ""},
		"another name": {nil, []func(*setting){func(s *setting) {
			s.config = func(c *login.Config) { c.CookieName, c.Keys = "second", [][]byte{key("b")} }
		}}, "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			one, two := setting{}, setting{}
			for _, change := range test.one {
				change(&one)
			}
			a := start(t, one)
			two.as = a.as
			for _, change := range test.two {
				change(&two)
			}
			b := start(t, two)
			browser := trusting(a.browser(t))
			browser.signIn(a)
			visitOften(browser, b)
			browser.signIn(b)
			visitOften(browser, a)
			browser.signIn(a)
			visitOften(browser, b)
			for at, says := range map[*app]string{a: test.oneSay, b: test.twoSay} {
				warnings := strings.Count(at.log.String(), "level=WARN")
				if says == "" && warnings != 0 || says != "" && (warnings != 1 || !isNamed(at.log.String(), says)) {
					t.Errorf("expected one WARN with %q: %s", says, at.log)
				}
			}
		})
	}
}

// isNamed reports whether a log has the text and both causes.
func isNamed(log, says string) bool {
	return strings.Contains(log, says) && strings.Contains(log, "another Config.CookieName") && strings.Contains(log, "Config.Keys for")
}

// visitOften opens a page 30 times, ten at once.
func visitOften(b *browser, a *app) {
	var all sync.WaitGroup
	for range 10 {
		all.Go(func() {
			for range 3 {
				if resp, err := b.Get(a.URL + "/"); err == nil {
					resp.Body.Close()
				}
			}
		})
	}
	all.Wait()
}

// TestForeignLoginUnderWay: one application removes the login in progress of another one. The log
// of the application that removes it says so.
func TestForeignLoginUnderWay(t *testing.T) {
	a := start(t, setting{})
	b := start(t, setting{as: a.as, config: func(c *login.Config) { c.Keys = [][]byte{key("b")} }})
	browser := trusting(a.browser(t))
	callback := browser.begin(a, "/private/")
	browser.begin(b, "/private/")
	if log := b.log.String(); strings.Count(log, "level=WARN") != 1 || !isNamed(log, otherKeys) {
		t.Errorf("expected one WARN: %s", log)
	}
	browser.want(browser.get(callback), 400, "login_unknown")
}

// TestProcessesWithOtherClocks: a process whose clock is behind rejects the sessions of the others.
// One WARN says so.
func TestProcessesWithOtherClocks(t *testing.T) {
	for _, store := range []login.Store{nil, &login.Memory{}} {
		set := setting{config: func(c *login.Config) { c.Store = store }}
		a := start(t, set)
		set.as = a.as
		b := start(t, set)
		browser := trusting(a.browser(t))
		browser.signIn(a)
		b.clock.turn(-10 * time.Minute)
		visitOften(browser, b)
		log := b.log.String()
		if strings.Count(log, "level=WARN") != 1 || !strings.Contains(log, "a session was last used in the future") || !strings.Contains(log, "ahead=10m") || !strings.Contains(log, "synchronize the clocks") {
			t.Errorf("expected one WARN about the clocks: %s", log)
		}
	}
}

// TestProcessesWithMemories: a Memory is not shared, so a login that ends at another process is
// reported as without a Store.
func TestProcessesWithMemories(t *testing.T) {
	set := setting{}
	inMemory(&set)
	a := start(t, set)
	set.as, set.other = a.as, a
	b := start(t, set)
	browser := trusting(a.browser(t))
	callback := browser.begin(a, "/private/")
	browser.still().get(strings.Replace(callback, a.URL, b.URL, 1))
	if log := b.log.String(); strings.Count(log, "level=WARN") != 1 || !strings.Contains(log, "Config.Store is not shared") {
		t.Errorf("expected one WARN: %s", log)
	}
}

// trusting is a browser for two servers.
func trusting(b *browser) *browser {
	b.Transport = &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}
	return b
}
