package login_test

import (
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/countersign/countersign/client"
	"github.com/countersign/countersign/client/auth"
	"github.com/countersign/countersign/client/login"
	"github.com/countersign/countersign/internal/optest"
)

// twoServers is an application with an evil server and an honest one. The honest one does not
// support RFC 9207.
type twoServers struct {
	*app
	evil, honest *optest.Server
}

// RedirectURLs of both clients, made from the application's address.
type redirects struct{ evil, honest func(base string) string }

func at(path string) func(string) string { return func(base string) string { return base + path } }

func onLocalhost(path string) func(string) string {
	return func(base string) string { return strings.Replace(base, "127.0.0.1", "localhost", 1) + path }
}

var mixUps = map[string]redirects{
	"paths":                  {at("/callback/evil"), at("/callback/honest")},
	"paths, one in another":  {at("/callback"), at("/callback/honest")},
	"hosts":                  {at("/callback"), onLocalhost("/callback")},
	"queries":                {at("/callback?as=evil"), at("/callback?as=honest")},
	"queries, one has none":  {at("/callback"), at("/callback?as=honest")},
	"host and path and more": {at("/callback/evil"), onLocalhost("/callback?as=honest")},
}

func startTwo(t *testing.T, where redirects, edit func(*login.Config), requireIss bool, wrap func(http.Handler) http.Handler) *twoServers {
	t.Helper()
	two := &twoServers{evil: optest.New(t), honest: optest.New(t)}
	for _, s := range []*optest.Server{two.evil, two.honest} {
		s.Edit = func(m map[string]any) {
			delete(m, "pushed_authorization_request_endpoint")
			if !requireIss {
				delete(m, "authorization_response_iss_parameter_supported")
			}
		}
	}
	if !requireIss {
		two.honest.Callback = func(q url.Values) { q.Del("iss") }
	}
	mux := http.NewServeMux()
	a := &app{as: two.honest, clock: &clock{}, log: &lockedBuffer{}, Server: httptest.NewServer(nil)}
	a.Config.Handler = wrap(mux)
	t.Cleanup(a.Close)
	make := func(s *optest.Server, redirect string) *client.Client {
		return newClient(t, s.URL, redirect, func(c *client.Config) {
			c.ClientID, c.Auth, c.RequireIss = optest.ClientID, auth.SecretBasic(optest.ClientSecret), requireIss
		})
	}
	config := login.Config{
		Clients:      map[string]*client.Client{"evil": make(two.evil, where.evil(a.URL)), "honest": make(two.honest, where.honest(a.URL))},
		InsecureHTTP: true, SignInPath: "/choose", Log: slog.New(slog.NewTextHandler(a.log, nil)),
	}
	if edit != nil {
		edit(&config)
	}
	l, err := login.New(config)
	if err != nil {
		t.Fatal(err)
	}
	a.login = l
	a.mount(mux)
	two.app = a
	two.evil.Replace("/authorize", two.attack(where.honest(a.URL)))
	return two
}

func same(h http.Handler) http.Handler { return h }

// attack is RFC 9700 §4.4.1. The evil server redirects the browser to the honest server, with the
// client's ID there. state, nonce and challenge are from the login at the evil server.
func (two *twoServers) attack(honestRedirect string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		q := r.URL.Query()
		q.Set("client_id", optest.ClientID)
		q.Set("redirect_uri", honestRedirect)
		http.Redirect(w, r, two.honest.URL+"/authorize?"+q.Encode(), http.StatusFound)
	}
}

// attacked follows the attack to the honest RedirectURL, with the cookies of the login.
func (two *twoServers) attacked(t *testing.T) page {
	b := two.browser(t)
	start := b.still().get(two.URL + "/login?client=evil")
	middle := b.still().get(start.header.Get("Location"))
	end := b.still().get(middle.header.Get("Location"))
	callback, err := url.Parse(end.header.Get("Location"))
	if err != nil || !strings.Contains(callback.RawQuery, "code=") {
		t.Fatalf("the attack ends at %s", end.header)
	}
	b.Jar.SetCookies(callback, b.cookies(two.app))
	return b.still().get(callback.String())
}

// TestMixUp is RP-23: a code of the honest server is never sent to the evil one. The login can
// still be finished.
func TestMixUp(t *testing.T) {
	for name, where := range mixUps {
		t.Run(name, func(t *testing.T) {
			two := startTwo(t, where, nil, false, same)
			got := two.attacked(t)
			if got.status != 400 || !strings.Contains(got.body, "login_failed") || !strings.Contains(two.log.String(), "RFC 9700") && !strings.Contains(two.log.String(), "query differs") {
				t.Errorf("%d %s\n%s", got.status, got.text(), two.log)
			}
			if n := two.evil.Hits("/token") + two.honest.Hits("/token"); n != 0 || len(got.header["Set-Cookie"]) != 0 {
				t.Errorf("%d token requests, Set-Cookie %q", n, got.header["Set-Cookie"])
			}
			two.evil.Replace("/authorize", nil)
			for _, client := range []string{"evil", "honest"} {
				b := two.browser(t)
				base := two.URL
				if strings.Contains(where.honest(base), "localhost") && client == "honest" {
					base = strings.Replace(base, "127.0.0.1", "localhost", 1)
				}
				b.want(b.get(base+"/login?client="+client), 200, "alice at /")
			}
		})
	}
}

// behind is what a proxy changes in a request.
func behind(host, strip, add string) func(http.Handler) http.Handler {
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			r = r.Clone(r.Context())
			if host != "" {
				r.Host = host
			}
			r.RequestURI = add + strings.TrimPrefix(r.RequestURI, strip)
			u, err := url.ParseRequestURI(r.RequestURI)
			if err != nil {
				http.NotFound(w, r)
				return
			}
			r.URL = u
			next.ServeHTTP(w, r)
		})
	}
}

// TestMixUpBehindProxy is RP-23 behind a proxy that changes the address: honest logins succeed,
// and the attack fails.
func TestMixUpBehindProxy(t *testing.T) {
	for _, test := range []struct {
		name   string
		where  redirects
		edit   func(*login.Config)
		iss    bool
		proxy  func(http.Handler) http.Handler
		base   string
		hidden bool // honest logins succeed only with RequireIss
	}{
		{name: "another host, paths", where: mixUps["paths"], proxy: behind("internal:8080", "", "")},
		{name: "another host, queries", where: mixUps["queries"], proxy: behind("internal:8080", "", "")},
		{name: "another host, said so", where: mixUps["paths"], proxy: behind("internal:8080", "", ""), edit: func(c *login.Config) { c.ProxyRewritesHost = true }},
		{name: "another host, which is all that differs", where: mixUps["hosts"], proxy: behind("internal:8080", "", ""), hidden: true},
		{name: "a prefix", where: redirects{at("/app/callback/evil"), at("/app/callback/honest")}, proxy: behind("", "/app", ""), base: "/app", edit: func(c *login.Config) { c.BasePath = "/app" }},
		{name: "a prefix, not said", where: redirects{at("/app/callback/evil"), at("/app/callback/honest")}, proxy: behind("", "/app", "")},
		{name: "prefixes, which are all that differs", where: redirects{at("/evil/callback"), at("/honest/callback")}, proxy: func(h http.Handler) http.Handler {
			return behind("", "/evil", "")(behind("", "/honest", "")(h))
		}, hidden: true},
	} {
		t.Run(test.name, func(t *testing.T) {
			for _, iss := range []bool{false, true} {
				two := startTwo(t, test.where, test.edit, iss, test.proxy)
				got := two.attacked(t)
				if got.status < 400 || two.evil.Hits("/token")+two.honest.Hits("/token") != 0 {
					t.Errorf("%d, %d token requests at the evil server", got.status, two.evil.Hits("/token"))
				}
				if !iss && test.hidden && !strings.Contains(two.log.String(), "level=ERROR") {
					t.Errorf("the log does not ask for RequireIss:\n%s", two.log)
				}
				b := two.browser(t)
				start := b.still().get(two.URL + test.base + "/login?client=honest")
				end := b.still().get(start.header.Get("Location"))
				callback, _ := url.Parse(end.header.Get("Location"))
				b.Jar.SetCookies(callback, b.cookies(two.app))
				if got := b.still().get(callback.String()); (got.status == 303) != (iss || !test.hidden) {
					t.Errorf("RequireIss %t: an honest login: %d %s\n%s", iss, got.status, got.text(), two.log)
				}
			}
		})
	}
}

// TestOneClientBehindProxy: with one client every login succeeds, because no mix-up is possible.
func TestOneClientBehindProxy(t *testing.T) {
	a := start(t, setting{client: func(c *client.Config) {
		c.RedirectURL = strings.Replace(c.RedirectURL, "/callback", "/public/done", 1)
	}})
	inner, proxy := a.Config.Handler, behind("internal:8080", "/public/done", "/callback")
	a.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasPrefix(r.URL.Path, "/public/done") {
			proxy(inner).ServeHTTP(w, r)
			return
		}
		inner.ServeHTTP(w, r)
	})
	b := a.browser(t)
	b.want(b.get(b.begin(a, "/login?return_to=/there")), 200, "alice at /there")
}

// TestHiddenHost: New requires RequireIss if clients differ only by host and a proxy replaces the
// host.
func TestHiddenHost(t *testing.T) {
	for _, test := range []struct {
		name     string
		other    string
		iss      bool
		rewrites bool
		ok       bool
	}{
		{"hosts, visible", "https://b.example/cb", false, false, true},
		{"hosts, hidden", "https://b.example/cb", false, true, false},
		{"hosts, hidden, RequireIss", "https://b.example/cb", true, true, true},
		{"paths, host hidden", "https://b.example/cb/2", false, true, true},
		{"queries, host hidden", "https://b.example/cb?x=2", false, true, true},
	} {
		t.Run(test.name, func(t *testing.T) {
			iss := func(c *client.Config) { c.RequireIss = test.iss }
			_, err := login.New(login.Config{
				Clients: map[string]*client.Client{
					"a": newClient(t, "https://one.example", "https://a.example/cb", iss),
					"b": newClient(t, "https://two.example", test.other, iss),
				},
				SignInPath: "/choose", ProxyRewritesHost: test.rewrites, Log: slog.New(slog.NewTextHandler(io.Discard, nil)),
			})
			if (err == nil) != test.ok || err != nil && (!strings.Contains(err.Error(), "RequireIss") || !strings.Contains(err.Error(), "ProxyRewritesHost")) {
				t.Errorf("%v", err)
			}
		})
	}
}
