package login_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/countersign/countersign/client"
	"github.com/countersign/countersign/client/login"
)

// TestRequire: visitors are redirected to sign in. Scripts and forms get 401.
func TestRequire(t *testing.T) {
	for _, test := range []struct {
		name   string
		method string
		header map[string]string
		status int
	}{
		{"a browser", "GET", map[string]string{"Sec-Fetch-Mode": "navigate", "Accept": "text/html,*/*"}, 303},
		{"an old browser", "GET", map[string]string{"Accept": "text/html"}, 303},
		{"a plain client", "GET", nil, 303},
		{"HEAD", "HEAD", nil, 303},
		{"fetch", "GET", map[string]string{"Sec-Fetch-Mode": "cors", "Accept": "*/*"}, 401},
		{"fetch of the same site", "GET", map[string]string{"Sec-Fetch-Mode": "same-origin"}, 401},
		{"an image", "GET", map[string]string{"Sec-Fetch-Mode": "no-cors"}, 401},
		{"XHR of an old browser", "GET", map[string]string{"X-Requested-With": "XMLHttpRequest"}, 401},
		{"JSON for an old browser", "GET", map[string]string{"Accept": "application/json"}, 401},
		{"a websocket", "GET", map[string]string{"Upgrade": "websocket"}, 401},
		{"a form", "POST", map[string]string{"Sec-Fetch-Mode": "navigate", "Sec-Fetch-Site": "same-origin"}, 401},
		{"a form of an old browser", "POST", map[string]string{"Accept": "text/html,*/*;q=0.8"}, 401},
		{"DELETE", "DELETE", map[string]string{"Accept": "application/json"}, 401},
	} {
		t.Run(test.name, func(t *testing.T) {
			a := start(t, setting{})
			b := a.browser(t)
			r := b.request(test.method, a.URL+"/private/", nil)
			for name, value := range test.header {
				r.Header.Set(name, value)
			}
			got := b.still().do(r)
			if got.status != test.status || got.header.Get("Cache-Control") != "no-store" {
				t.Errorf("%d, Cache-Control %q", got.status, got.header.Get("Cache-Control"))
			}
			if test.status == 401 && (got.header.Get("WWW-Authenticate") == "" || a.as.Hits("/par") != 0) {
				t.Error("no challenge, or a login was begun")
			}
			if form := strings.HasPrefix(test.name, "a form"); test.status == 401 && strings.Contains(got.body, "<html") != form {
				t.Errorf("a page for a script, or none for a visitor: %s", got.body)
			}
		})
	}
}

// TestSessionDropped: a browser that stores the cookie of the login, and not that of the session,
// gets an error page instead of a loop.
func TestSessionDropped(t *testing.T) {
	bothKinds(t, func(t *testing.T, set setting) {
		a := start(t, set)
		b := a.browser(t)
		b.Transport = watch{b.Transport, func(resp *http.Response) {
			kept := resp.Header["Set-Cookie"][:0]
			for _, line := range resp.Header["Set-Cookie"] {
				if !strings.HasPrefix(line, "__Host-login=") {
					kept = append(kept, line)
				}
			}
			resp.Header["Set-Cookie"] = kept
		}}
		got := b.get(a.URL + "/private/x?y")
		b.want(got, 400, "session_lost")
		b.want(got, 400, `href="/login?return_to=%2Fprivate%2Fx%3Fy"`)
		if a.as.Hits("/authorize") != 1 {
			t.Errorf("%d logins", a.as.Hits("/authorize"))
		}
	})
}

// TestOtherKeys: processes with different keys do not cause a loop.
func TestOtherKeys(t *testing.T) {
	one := start(t, setting{})
	two := start(t, setting{as: one.as, other: one, config: func(c *login.Config) { c.Keys = [][]byte{key("b")} }})
	b := one.browser(t)
	b.still().get(b.begin(one, "/private/"))
	b.want(b.get(two.URL+"/private/"), 400, "session_lost")
	b.want(b.get(two.URL+"/private/"), 200, "alice at /") // ends at the process that can open her cookie
}

// TestBegin: the application begins a login, such as a step-up.
func TestBegin(t *testing.T) {
	a := start(t, setting{config: func(c *login.Config) { c.Request.Prompt = []string{"select_account"} }})
	a.Config.Handler.(*http.ServeMux).HandleFunc("/stepup", func(w http.ResponseWriter, r *http.Request) {
		a.login.Begin(w, r, login.BeginOptions{Request: &client.Request{LoginHint: "bob"}, ReturnTo: r.URL.Query().Get("to")})
	})
	b := a.browser(t)
	b.want(b.get(a.URL+"/stepup?to=/there"), 200, "alice at /there")
	if form := a.as.Form("/par"); form.Get("login_hint") != "bob" || form.Get("prompt") != "" {
		t.Errorf("%v", form["login_hint"])
	}
	b.want(b.get(a.URL+"/stepup?to=https://evil.example"), 200, "alice at /")
	b.get(a.URL + "/login")
	if form := a.as.Form("/par"); form.Get("prompt") != "select_account" {
		t.Errorf("prompt %q", form.Get("prompt"))
	}
}

// TestProblemPage is LOG-03: a complete page with a code and an id. The log has the same id.
func TestProblemPage(t *testing.T) {
	a := start(t, setting{})
	b := a.browser(t)
	got := b.get(a.URL + "/callback?state=x&code=canary-code&error_description=<b>")
	_, rest, _ := strings.Cut(got.body, `id="reference">`)
	id, _, _ := strings.Cut(rest, "<")
	if len(id) != 12 || !strings.Contains(a.log.String(), id) || strings.Contains(a.log.String(), "canary") {
		t.Errorf("the id %q is not in the log, or more is", id)
	}
	for _, want := range []string{`<html lang="en">`, "<title>This sign-in is not valid here</title>", "<h1>", "viewport", `href="/login"`} {
		if !strings.Contains(got.body, want) {
			t.Errorf("the page lacks %s", want)
		}
	}
	for _, not := range []string{"<script", "http://", "https://", "<b>", "canary"} {
		if strings.Contains(got.body, not) {
			t.Errorf("the page has %s", not)
		}
	}
	policy := got.header.Get("Content-Security-Policy")
	if !strings.Contains(policy, "default-src 'none'") || !strings.Contains(policy, "style-src 'sha256-") || strings.Contains(policy, "unsafe") {
		t.Errorf("policy %q", policy)
	}
	if got.header.Get("Cache-Control") != "no-store" || got.header.Get("Referrer-Policy") != "no-referrer" {
		t.Errorf("%v", got.header)
	}
}

// TestErrorPage: the application's page replaces the default one.
func TestErrorPage(t *testing.T) {
	var seen login.Problem
	a := start(t, setting{config: func(c *login.Config) {
		c.ErrorPage = func(w http.ResponseWriter, r *http.Request, p login.Problem) {
			seen = p
			w.WriteHeader(p.Status)
		}
	}})
	b := a.browser(t)
	b.want(b.get(a.URL+"/callback?"+url.Values{"state": {"x"}}.Encode()), 400, "")
	if seen.Code != login.CodeUnknown || len(seen.ID) != 12 || seen.Retry != "/login" {
		t.Errorf("%+v", seen)
	}
}
