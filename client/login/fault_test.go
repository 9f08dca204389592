package login_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/countersign/countersign/client"
	"github.com/countersign/countersign/internal/optest"
)

// ownLogin is a login whose visitor changes the server's address or the callback.
type ownLogin struct {
	address, callback func(q url.Values)
}

func forgedError(code string) ownLogin {
	return ownLogin{callback: func(q url.Values) { q.Del("code"); q.Set("error", code) }}
}

// visitorsFaults are what a visitor can do to the own login.
var visitorsFaults = map[string]ownLogin{
	"invalid_scope":                 forgedError("invalid_scope"),
	"unauthorized_client":           forgedError("unauthorized_client"),
	"invalid_request":               forgedError("invalid_request"),
	"no nonce":                      {address: func(q url.Values) { q.Del("nonce") }},
	"no openid":                     {address: func(q url.Values) { q.Set("scope", "profile") }},
	"another code, with status 200": {callback: func(q url.Values) { q.Set("code", "canary-wechat") }},
	"another code":                  {callback: func(q url.Values) { q.Set("code", "canary-bad") }},
}

// ownErrors makes a server reject unknown codes with an error that is not one of OAuth.
func ownErrors(path string, next http.HandlerFunc) http.HandlerFunc {
	if path != "/token" {
		return next
	}
	return func(w http.ResponseWriter, r *http.Request) {
		if r.FormValue("code") == "canary-bad" {
			optest.JSON(w, 400, map[string]any{"error": map[string]any{"message": "This authorization code has been used."}})
			return
		}
		if r.FormValue("code") == "canary-wechat" {
			optest.JSON(w, 200, map[string]any{"errcode": 40029, "errmsg": "invalid code"})
			return
		}
		next(w, r)
	}
}

// visit begins a login, changes it, and opens the callback.
func (o ownLogin) visit(b *browser, a *app) page {
	p := b.still().get(a.URL + "/private/")
	address := edited(b.t, p.header.Get("Location"), o.address)
	p = b.still().get(address)
	return b.still().get(edited(b.t, p.header.Get("Location"), o.callback))
}

func edited(t testing.TB, address string, edit func(url.Values)) string {
	u, err := url.Parse(address)
	if err != nil || u.Host == "" {
		t.Fatalf("no redirect: %q, %v", address, err)
	}
	if edit != nil {
		q := u.Query()
		edit(q)
		u.RawQuery = q.Encode()
	}
	return u.String()
}

func faulty(t *testing.T) (*app, *browser) {
	s := optest.New(t)
	s.Wrap = ownErrors
	a := start(t, setting{as: s, client: func(c *client.Config) { c.PAR = client.PAROff }})
	return a, a.browser(t)
}

// TestVisitorsFaults: a visitor who changes the own login is not reported as a mistake of the
// operator once the server has accepted the same request. Before that and after more failures, the
// errors are bounded, and their text says that a visitor can cause them.
func TestVisitorsFaults(t *testing.T) {
	for name, visitor := range visitorsFaults {
		a, b := faulty(t)
		b.signIn(a)
		for range 2 {
			p := visitor.visit(a.browser(t), a)
			b.want(p, 400, "login_failed")
			b.want(p, 400, `href="/login`)
		}
		if log := a.log.String(); strings.Contains(log, "level=ERROR") || strings.Count(log, "level=INFO") != 2 || strings.Contains(log, "canary") {
			t.Errorf("%s: %s", name, log)
		}
		third := 1
		if name == "no nonce" { // a server that returned one returns it always
			third = 0
		}
		visitor.visit(a.browser(t), a)
		a.browser(t).signIn(a)
		b.want(visitor.visit(a.browser(t), a), 400, "login_failed")
		if log := a.log.String(); strings.Count(log, "level=ERROR") != third {
			t.Errorf("%s: expected %d errors, for the third failure only: %s", name, third, log)
		}

		a, b = faulty(t)
		for range 30 {
			b.want(visitor.visit(a.browser(t), a), 500, "configuration_error")
		}
		log := a.log.String()
		if strings.Count(log, "level=ERROR") != 10 || strings.Count(log, "level=INFO") != 20 || strings.Count(log, "a visitor has changed the address") != 30 || strings.Contains(log, "canary") {
			t.Errorf("%s in a new process: %s", name, log)
		}
		a.clock.turn(2 * time.Minute)
		visitor.visit(a.browser(t), a)
		if n := strings.Count(a.log.String(), "level=ERROR"); n != 11 {
			t.Errorf("%s: %d errors after two minutes, expected one more", name, n)
		}
	}
}

// TestOperatorsFaults: what no visitor can cause is an ERROR at once, also after a login. What a
// visitor can cause is one if the server has accepted no such request for an hour. An
// invalid_request of the token endpoint is an ERROR at once too, but a bounded number.
func TestOperatorsFaults(t *testing.T) {
	for code, want := range map[string]int{"invalid_client": 30, "invalid_request": 10} {
		a, b := faulty(t)
		b.signIn(a)
		a.as.Replace("/token", func(w http.ResponseWriter, _ *http.Request) {
			optest.JSON(w, 400, map[string]any{"error": code})
		})
		for range 30 {
			other := a.browser(t)
			other.want(other.get(a.URL+"/private/"), 500, "configuration_error")
		}
		if n := strings.Count(a.log.String(), "level=ERROR"); n != want {
			t.Errorf("%s: %d errors, expected %d", code, n, want)
		}
	}

	a, b := faulty(t)
	b.signIn(a)
	a.clock.turn(61 * time.Minute)
	b.want(forgedError("invalid_scope").visit(a.browser(t), a), 500, "configuration_error")
	if log := a.log.String(); strings.Count(log, "level=ERROR") != 1 || !strings.Contains(log, "Config.Scopes") {
		t.Errorf("an hour after the last login: %s", log)
	}
}
