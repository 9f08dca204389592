package login_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/countersign/countersign/client"
	"github.com/countersign/countersign/client/login"
)

// misplaced returns an application that mounts handle at the path of RedirectURL, instead of
// Callback.
func misplaced(t *testing.T, path string, handle func(*login.Login) http.Handler) (*app, *browser) {
	a := start(t, setting{client: func(c *client.Config) { c.RedirectURL = strings.TrimSuffix(c.RedirectURL, "/callback") + path }})
	a.Config.Handler.(*http.ServeMux).Handle("/cb", handle(a.login))
	if path == "/" {
		a.Config.Handler.(*http.ServeMux).Handle("/{$}", handle(a.login))
	}
	return a, a.browser(t)
}

// wantMisplaced requires one error in the log, and one login at most.
func (a *app) wantMisplaced(t *testing.T, says string) {
	t.Helper()
	log := a.log.String()
	if strings.Count(log, "level=ERROR") != 1 || !strings.Contains(log, says) || a.as.Hits("/authorize") > 1 || strings.Contains(log, "code=canary") {
		t.Errorf("%d logins, expected one line with %q: %s", a.as.Hits("/authorize"), says, log)
	}
}

// TestMisplacedCallback: a response that arrives at a page ends in an error, not in a loop.
func TestMisplacedCallback(t *testing.T) {
	who := http.HandlerFunc(whoAmI)
	for _, test := range []struct {
		name    string
		handle  func(*login.Login) http.Handler
		status  int
		handler string
	}{
		{"Require", func(l *login.Login) http.Handler { return l.Require(who) }, 500, "Require"},
		{"Require in Identify", func(l *login.Login) http.Handler { return l.Identify(l.Require(who)) }, 500, "Require"},
		{"RequireDevice", func(l *login.Login) http.Handler { return l.RequireDevice(who) }, 500, "Require"},
		{"Start", (*login.Login).Start, 500, "Start or Begin"},
		{"Begin", func(l *login.Login) http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { l.Begin(w, r, login.BeginOptions{}) })
		}, 500, "Start or Begin"},
		{"Identify", func(l *login.Login) http.Handler { return l.Identify(who) }, 200, "Identify"},
		{"Silent", func(l *login.Login) http.Handler { return l.Silent("", who) }, 200, "Silent"},
		{"Silent in Identify", func(l *login.Login) http.Handler { return l.Identify(l.Silent("", who)) }, 200, "Silent"},
	} {
		t.Run(test.name, func(t *testing.T) {
			a, b := misplaced(t, "/cb", test.handle)
			shows := "nobody at /cb"
			if test.status == 500 {
				shows = "configuration_error"
			}
			b.want(b.get(a.URL+"/login"), test.status, shows)
			a.wantMisplaced(t, "the response of a login arrived at "+test.handler+": mount Callback at /cb, the path of RedirectURL")
		})
	}
}

// TestMisplacedResponses: which requests are treated as responses. All others begin a login.
func TestMisplacedResponses(t *testing.T) {
	for query, status := range map[string]int{
		"?state=s&code=c": 500, "?state=s&error=access_denied": 500, "?response=jwt": 500,
		"": 303, "?state=s": 303, "?code=c": 303, "?error=x": 303, "?other=state=": 303,
	} {
		a, b := misplaced(t, "/cb", func(l *login.Login) http.Handler { return l.Require(http.HandlerFunc(whoAmI)) })
		if got := b.still().get(a.URL + "/cb" + query); got.status != status {
			t.Errorf("%q: status %d, expected %d", query, got.status, status)
		}
		if got := b.still().get(a.URL + "/private/" + query); got.status != 303 {
			t.Errorf("%q at another path: status %d", query, got.status)
		}
	}
}

// TestMisplacedPost: a response by POST is recognized too. It is not read.
func TestMisplacedPost(t *testing.T) {
	a := start(t, setting{client: func(c *client.Config) {
		c.RedirectURL = strings.TrimSuffix(c.RedirectURL, "callback") + "private/cb"
		c.ResponseMode = "form_post"
	}})
	b := a.browser(t)
	r := b.request("POST", a.URL+"/private/cb", url.Values{"state": {"s"}, "code": {"canary"}})
	r.Header.Set("Accept", "text/html")
	b.want(b.do(r), 500, "configuration_error")
	a.wantMisplaced(t, "mount Callback at /private/cb")
}

// TestWrappedCallback: Identify and Silent may wrap Callback, and a page for its errors may begin
// another login.
func TestWrappedCallback(t *testing.T) {
	for name, wrap := range map[string]func(l *login.Login, next http.Handler) http.Handler{
		"Identify": (*login.Login).Identify,
		"Silent":   func(l *login.Login, next http.Handler) http.Handler { return l.Silent("", next) },
		"both":     func(l *login.Login, next http.Handler) http.Handler { return l.Identify(l.Silent("", next)) },
	} {
		t.Run(name, func(t *testing.T) {
			a, b := misplaced(t, "/cb", func(l *login.Login) http.Handler { return wrap(l, l.Callback()) })
			b.want(b.get(a.URL+"/login"), 200, "alice at /")
			if strings.Contains(a.log.String(), "level=ERROR") {
				t.Errorf("an error in the log: %s", a.log)
			}
		})
	}
	var a *app
	a = start(t, setting{config: func(c *login.Config) {
		c.ErrorPage = func(w http.ResponseWriter, r *http.Request, _ login.Problem) {
			a.login.Begin(w, r, login.BeginOptions{})
		}
	}})
	b := a.browser(t)
	b.want(b.get(a.URL+"/callback?state=s&code=c"), 200, "alice at /")
}

// TestMisplacedAtRoot: Callback cannot have the path of the start page, so the text names another.
func TestMisplacedAtRoot(t *testing.T) {
	a, b := misplaced(t, "/", func(l *login.Login) http.Handler { return l.Require(http.HandlerFunc(whoAmI)) })
	b.want(b.get(a.URL+"/login"), 500, "configuration_error")
	a.wantMisplaced(t, "RedirectURL has the path /: give RedirectURL its own path, such as /callback")
}
