package login_test

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/countersign/countersign/client"
	"github.com/countersign/countersign/client/login"
	"github.com/countersign/countersign/internal/optest"
)

// TestBasePath: an application behind a proxy, or http.StripPrefix, that removes a prefix. Every
// redirect keeps the prefix.
func TestBasePath(t *testing.T) {
	strip := func(inner http.Handler) http.Handler { return http.StripPrefix("/app", inner) }
	for name, remove := range map[string]func(http.Handler) http.Handler{"a proxy": behind("", "/app", ""), "StripPrefix": strip} {
		for written, paths := range map[string]func(*login.Config){
			"paths of the application": func(*login.Config) {},
			"paths of the browser":     func(c *login.Config) { c.StartPath, c.HomePath = "/app/login", "/app/" },
		} {
			t.Run(name+", "+written, func(t *testing.T) {
				a := start(t, setting{
					client: func(c *client.Config) {
						c.RedirectURL = strings.Replace(c.RedirectURL, "/callback", "/app/callback", 1)
						c.PostLogoutRedirectURL = strings.Replace(c.PostLogoutRedirectURL, "/bye", "/app/bye", 1)
					},
					config: func(c *login.Config) { c.BasePath = "/app"; paths(c) },
				})
				a.Config.Handler.(*http.ServeMux).HandleFunc("/stepup", func(w http.ResponseWriter, r *http.Request) {
					a.login.Begin(w, r, login.BeginOptions{ReturnTo: "/private/there"})
				})
				a.Config.Handler.(*http.ServeMux).Handle("/silent", a.login.Silent("", http.HandlerFunc(whoAmI)))
				outer := http.NewServeMux()
				outer.Handle("/app/", remove(a.Config.Handler))
				a.Config.Handler = outer
				for from, to := range map[string]string{
					"/app/private/albums?page=2":              "/app/private/albums",
					"/app/login?return_to=/private/x":         "/app/private/x",
					"/app/login?return_to=/app/private/x":     "/app/private/x",
					"/app/login":                              "/app/",
					"/app/login?return_to=//evil.example":     "/app/",
					"/app/login?return_to=/../elsewhere":      "/app/",
					"/app/stepup":                             "/app/private/there",
					"/app/silent?a=b":                         "/app/silent",
					"/app/initiate?iss=ISS&target_link_uri=T": "/app/private/t",
					"/app/initiate?iss=ISS&target_link_uri=O": "/app/",
				} {
					b := a.browser(t)
					from = strings.NewReplacer("ISS", url.QueryEscape(a.as.URL), "=T", "="+url.QueryEscape(a.URL+"/app/private/t"), "=O", "="+url.QueryEscape(a.URL+"/other")).Replace(from)
					got := b.get(a.URL + from)
					if got.status != 200 || got.at.Path != to || !strings.HasPrefix(got.body, "alice") {
						t.Errorf("%s ends at %s, want %s: %d %s", from, got.at, to, got.status, got.body)
					}
					if got = b.post(a.URL+"/app/logout", url.Values{}); got.at.Path != "/app/" {
						t.Errorf("the logout ends at %s", got.at)
					}
				}
				b := a.browser(t)
				b.want(b.get(a.URL+"/app/callback?state=x"), 400, `href="/app/login"`)
			})
		}
	}
}

// TestBasePathChoice: TestBasePath with a page to choose a server.
func TestBasePathChoice(t *testing.T) {
	a := start(t, setting{
		client: func(c *client.Config) {
			c.RedirectURL = strings.Replace(c.RedirectURL, "/callback", "/app/callback", 1)
		},
		config: func(c *login.Config) {
			c.BasePath, c.SignInPath = "/app", "/choose"
			c.Clients["other"] = newClient(t, c.Clients["main"].Issuer(), c.Clients["main"].Config().RedirectURL, nil)
		},
	})
	outer := http.NewServeMux()
	outer.Handle("/app/", http.StripPrefix("/app", a.Config.Handler))
	a.Config.Handler = outer
	b := a.browser(t)
	got := b.still().get(a.URL + "/app/private/x?y=1")
	to, err := got.header["Location"], error(nil)
	if len(to) != 1 || to[0] != "/app/choose?return_to=%2Fapp%2Fprivate%2Fx%3Fy%3D1" {
		t.Fatalf("to %q, %v", to, err)
	}
	b.want(b.get(a.URL+"/app/login?client=main&return_to=%2Fapp%2Fprivate%2Fx%3Fy%3D1"), 200, "alice at ")
}

// TestLongReturnTo: a path that is too long is dropped, and the log has a message.
func TestLongReturnTo(t *testing.T) {
	long := "/private/" + strings.Repeat("x", 2000)
	for _, path := range []string{long, "/login?return_to=" + long} {
		a := start(t, setting{})
		b := a.browser(t)
		b.want(b.get(a.URL+path), 200, "alice at /")
		if log := a.log.String(); !strings.Contains(log, "too long") || !strings.Contains(log, "limit=2000") || strings.Contains(log, "level=ERROR") {
			t.Errorf("the log: %s", log)
		}
	}
	a := start(t, setting{})
	b := a.browser(t)
	fits := "/private/" + strings.Repeat("x", 1900)
	b.want(b.get(a.URL+fits), 200, "alice at "+fits)
	b.get(a.URL + "/login?return_to=//evil.example")
	if !strings.Contains(a.log.String(), "not a path of this site") {
		t.Errorf("the log: %s", a.log)
	}
}

// TestOperatorProblems: a problem that only the operator can fix is logged as ERROR, and its page
// has no link to try again. A problem of the visitor is logged as INFO.
func TestOperatorProblems(t *testing.T) {
	oauth := func(status int, code string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			optest.JSON(w, status, map[string]string{"error": code, "error_description": strings.Repeat("long ", 60) + "<redirect_uri is not registered>"})
		}
	}
	for name, test := range map[string]struct {
		change func(*optest.Server)
		code   string
		says   []string // in the log
	}{
		"wrong secret":             {func(s *optest.Server) { s.Replace("/token", oauth(401, "invalid_client")) }, login.CodeConfiguration, []string{"invalid_client", "client_secret_basic"}},
		"wrong secret, PAR":        {func(s *optest.Server) { s.Replace("/par", oauth(401, "invalid_client")) }, login.CodeConfiguration, []string{"invalid_client", "client_secret_basic"}},
		"grant not allowed":        {func(s *optest.Server) { s.Replace("/token", oauth(400, "unauthorized_client")) }, login.CodeConfiguration, nil},
		"redirect URI, PAR":        {func(s *optest.Server) { s.Replace("/par", oauth(400, "invalid_request")) }, login.CodeConfiguration, []string{"not registered", "/callback"}},
		"redirect URI of its code": {func(s *optest.Server) { s.Replace("/par", oauth(400, "invalid_redirect_uri")) }, login.CodeConfiguration, []string{"not registered", "/callback"}},
		"request, token endpoint":  {func(s *optest.Server) { s.Replace("/token", oauth(400, "invalid_request")) }, login.CodeConfiguration, []string{"not registered", "/callback"}},
		"another issuer":           {func(s *optest.Server) { s.Edit = func(m map[string]any) { m["issuer"] = "https://other.example" } }, login.CodeConfiguration, []string{"https://other.example"}},
		"scope, by the browser": {func(s *optest.Server) {
			s.Callback = func(q url.Values) { q.Del("code"); q.Set("error", "invalid_scope") }
		}, login.CodeConfiguration, nil},
		"a code that was used": {func(s *optest.Server) { s.Replace("/token", oauth(400, "invalid_grant")) }, login.CodeFailed, nil},
		"the visitor's fault":  {func(s *optest.Server) { s.Callback = func(q url.Values) { q.Set("iss", "https://evil.example") } }, login.CodeFailed, nil},
		"the visitor says no": {func(s *optest.Server) {
			s.Callback = func(q url.Values) { q.Del("code"); q.Set("error", "access_denied") }
		}, login.CodeDenied, nil},
		"the server is not there": {func(s *optest.Server) {
			s.Replace("/token", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(503) })
		}, login.CodeUnavailable, nil},
		"its metadata is not there": {func(s *optest.Server) {
			s.Replace("/.well-known/openid-configuration", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(503) })
		}, login.CodeUnavailable, nil},
	} {
		for _, development := range []bool{false, true} {
			t.Run(name, func(t *testing.T) {
				as := optest.New(t)
				test.change(as)
				a := start(t, setting{as: as, plain: development})
				b := a.browser(t)
				got := b.get(a.URL + "/login?return_to=/there")
				operator := test.code == login.CodeConfiguration
				b.want(got, map[string]int{login.CodeConfiguration: 500, login.CodeFailed: 400, login.CodeDenied: 403, login.CodeUnavailable: 503}[test.code], test.code)
				if link := strings.Contains(got.body, `href="/login`); link == operator {
					t.Errorf("a link to try again: %t", link)
				}
				log := a.log.String()
				if isError := strings.Contains(log, "level=ERROR"); isError != (operator || test.code == login.CodeUnavailable) {
					t.Errorf("the log: %s", log)
				}
				for _, want := range append(test.says, "client=main", "issuer="+as.URL) {
					if !strings.Contains(log, want) {
						t.Errorf("the log lacks %q: %s", want, log)
					}
				}
				if shown := strings.Contains(got.body, `id="reason"`); shown != development || strings.Contains(got.body, "<redirect_uri") {
					t.Errorf("the page shows the reason: %t", shown)
				}
				if strings.Contains(log, "canary") || strings.Contains(got.body, "canary") {
					t.Error("LOG-01: a secret is in the log or on the page")
				}
			})
		}
	}
}

// TestForeignCookie: a session cookie that does not open causes one warning, which contains both
// causes.
func TestForeignCookie(t *testing.T) {
	bothKinds(t, func(t *testing.T, set setting) {
		one := start(t, set)
		two := start(t, setting{as: one.as, other: one, config: func(c *login.Config) {
			if set.config != nil {
				set.config(c)
			}
			c.Keys = [][]byte{key("b")}
		}})
		b := one.browser(t)
		b.signIn(one)
		for range 2 {
			b.want(b.get(two.URL+"/"), 200, "nobody")
		}
		log := two.log.String()
		if strings.Count(log, "level=WARN") != 1 || !strings.Contains(log, "Config.Keys") || !strings.Contains(log, "Config.CookieName") {
			t.Errorf("the log: %s", log)
		}
		if strings.Contains(one.log.String(), "level=WARN") {
			t.Errorf("the log of the other: %s", one.log)
		}
		b.want(b.still().get(strings.Replace(b.begin(one, "/login"), one.URL, two.URL, 1)), 400, "login_unknown")
	})
}

// TestMissingClaim: claims of Config.Claims that no login has cause one warning, which contains
// all names and the settings.
func TestMissingClaim(t *testing.T) {
	for _, userInfo := range []bool{false, true} {
		a := start(t, setting{config: func(c *login.Config) { c.Claims, c.UserInfo = []string{"email", "sub", "locale"}, userInfo }})
		a.browser(t).signIn(a)
		a.browser(t).signIn(a)
		log := a.log.String()
		says := []string{"Config.UserInfo", "client.Config.Scopes", `claims="[email locale]"`}
		if userInfo { // the scope of locale is not requested
			says = []string{"client.Config.Scopes", "claims=[locale]"}
		}
		if strings.Count(log, "level=WARN") != 1 || slices.ContainsFunc(says, func(text string) bool { return !strings.Contains(log, text) }) {
			t.Errorf("UserInfo %t: %s", userInfo, log)
		}
	}
}
