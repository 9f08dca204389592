package login_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/countersign/countersign/client/login"
	"github.com/countersign/countersign/internal/optest"
)

// silent is an application with a page behind Silent. No user is signed in at the server unless a
// test changes that.
func startSilent(t *testing.T, set setting, answer string) *app {
	t.Helper()
	if set.as == nil {
		set.as = optest.New(t)
	}
	if answer != "" {
		set.as.Callback = func(q url.Values) {
			q.Del("code")
			q.Set("error", answer)
		}
	}
	a := start(t, set)
	a.Config.Handler.(*http.ServeMux).Handle("/greet/", a.login.Silent("", http.HandlerFunc(whoAmI)))
	return a
}

// TestSilent: a visitor with a session at the server is signed in on the page, at a first and at
// a later visit.
func TestSilent(t *testing.T) {
	bothKinds(t, func(t *testing.T, set setting) {
		for _, firstVisit := range []bool{true, false} {
			a := startSilent(t, set, "")
			b := a.browser(t)
			if !firstVisit {
				b.plant(a, "theme", "dark")
			}
			b.want(b.get(a.URL+"/greet/page?x=1&y=%20"), 200, "alice at /greet/page?x=1&y=%20")
			if form := a.as.Form("/par"); form.Get("prompt") != "none" || a.as.Hits("/authorize") != 1 {
				t.Errorf("prompt %q, %d requests", form.Get("prompt"), a.as.Hits("/authorize"))
			}
		}
	})
}

// TestSilentNotSignedIn: after any response of the server the visitor sees the page. The server
// gets no second request for a while.
func TestSilentNotSignedIn(t *testing.T) {
	for _, answer := range []string{"login_required", "interaction_required", "consent_required", "account_selection_required", "access_denied", "server_error", "temporarily_unavailable", "invalid_request"} {
		t.Run(answer, func(t *testing.T) {
			a := startSilent(t, setting{}, answer)
			b := a.browser(t)
			for range 3 {
				b.want(b.get(a.URL+"/greet/page?x=1"), 200, "nobody at /greet/page?x=1")
			}
			if n := a.as.Hits("/authorize"); n != 1 {
				t.Errorf("%d requests", n)
			}
			if usual := strings.HasSuffix(answer, "_required"); usual != (a.log.String() == "") {
				t.Errorf("the log: %s", a.log)
			}
			a.clock.turn(time.Hour) // the cookie jar uses the real clock
			b.plant(a, "__Host-login-silent", "")
			b.want(b.get(a.URL+"/greet/page"), 200, "nobody at /greet/page")
			if n := a.as.Hits("/authorize"); n != 2 {
				t.Errorf("later: %d requests", n)
			}
		})
	}
}

// TestSilentBroken: if the server, the limiter, the response or the token request fails, there is
// no error page and no loop.
func TestSilentBroken(t *testing.T) {
	for name, test := range map[string]func(*setting, *optest.Server){
		"the server is down": func(_ *setting, as *optest.Server) {
			as.Replace("/par", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(503) })
		},
		"the token endpoint": func(_ *setting, as *optest.Server) {
			as.Replace("/token", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(503) })
		},
		"another iss": func(_ *setting, as *optest.Server) {
			as.Callback = func(q url.Values) { q.Set("iss", "https://evil.example") }
		},
		"the limiter": func(set *setting, _ *optest.Server) {
			*set = set.and(func(c *login.Config) { c.Limit = func(*http.Request) time.Duration { return time.Second } })
		},
	} {
		t.Run(name, func(t *testing.T) {
			set := setting{as: optest.New(t)}
			test(&set, set.as)
			a := startSilent(t, set, "")
			b := a.browser(t)
			b.want(b.get(a.URL+"/greet/"), 200, "nobody at /greet/")
			b.want(b.get(a.URL+"/greet/"), 200, "nobody at /greet/")
			if a.log.String() == "" {
				t.Error("the log does not say why")
			}
		})
	}
}

// TestSilentWithoutCookies: a browser without cookies sees the page.
func TestSilentWithoutCookies(t *testing.T) {
	a := startSilent(t, setting{}, "login_required")
	b := a.browser(t)
	b.Jar = nil
	for range 2 {
		b.want(b.get(a.URL+"/greet/page?x=1"), 200, "nobody at /greet/page?x=1")
	}
	if n := a.as.Hits("/authorize"); n != 0 {
		t.Errorf("%d requests", n)
	}
}

// TestSilentOnlyVisits: only the visit of a page causes a request to the server.
func TestSilentOnlyVisits(t *testing.T) {
	a := startSilent(t, setting{}, "")
	for name, header := range map[string]map[string]string{
		"fetch":    {"Sec-Fetch-Mode": "cors"},
		"frame":    {"Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "iframe"},
		"prefetch": {"Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document", "Sec-Purpose": "prefetch"},
		"JSON":     {"Accept": "application/json"},
	} {
		b := a.browser(t)
		r := b.request("GET", a.URL+"/greet/", nil)
		for key, value := range header {
			r.Header.Set(key, value)
		}
		if got := b.still().do(r); got.status != 200 || got.body != "nobody at /greet/" {
			t.Errorf("%s: %d %s", name, got.status, got.body)
		}
	}
	b := a.browser(t)
	if got := b.still().post(a.URL+"/greet/", url.Values{}); got.status != 200 {
		t.Errorf("POST: %d", got.status)
	}
}

// TestSilentAfterLogout: a user who has signed out is not signed in again by the server's
// session.
func TestSilentAfterLogout(t *testing.T) {
	bothKinds(t, func(t *testing.T, set setting) {
		a := startSilent(t, set, "")
		b := a.browser(t)
		b.want(b.get(a.URL+"/greet/"), 200, "alice")
		b.post(a.URL+"/logout", url.Values{})
		b.want(b.get(a.URL+"/greet/"), 200, "nobody")
		b.signIn(a)
		b.want(b.get(a.URL+"/greet/"), 200, "alice")
	})
}

// TestSilentLost: a response to a silent login that this browser does not know causes no error
// page.
func TestSilentLost(t *testing.T) {
	a := startSilent(t, setting{}, "login_required")
	b := a.browser(t)
	b.plant(a, "theme", "dark")
	callback := b.begin(a, "/greet/?login_probe=0") // a parameter of the application, not ours
	for _, c := range b.cookies(a) {
		if strings.Contains(c.Name, "-p-") {
			b.plant(a, c.Name, "")
		}
	}
	b.want(b.get(callback), 200, "nobody at /")
}
