package browser

import (
	"log/slog"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"github.com/countersign/countersign/client"
	"github.com/countersign/countersign/client/auth"
	"github.com/countersign/countersign/client/login"
	"github.com/countersign/countersign/discovery/issuertest"
)

// TestSignIn: the visitor signs in and out with the buttons.
func TestSignIn(t *testing.T) {
	p := newPerson(t, startSite(t, ""), "")
	p.wantNobody()
	p.picture("home-nobody")
	p.click("#in")
	p.wantForm()
	p.wantCookies()
	p.picture("server-form")
	p.choose()
	p.picture("server-consent")
	p.click(`button[value="allow"]`)
	p.wantUser("/")
	p.wantCookies()
	p.picture("home-user")
	p.click("#out")
	p.wantNobody()
	p.open("/albums/7")
	p.wantForm()
}

// TestDeepLink: after the login the visitor is on the requested page.
func TestDeepLink(t *testing.T) {
	p := newPerson(t, startSite(t, ""), "")
	const link = "/albums/7?size=large&q=a%20b"
	p.open(link)
	p.wantForm()
	p.fill()
	p.wantUser(link)
	p.picture("album")
	if where := read(p, "where", chromedp.Text(chromedp.CSS("#where"))); where != link {
		t.Errorf("the application was asked for %s", where)
	}
}

// TestCancel: the visitor cancels, and signs in later.
func TestCancel(t *testing.T) {
	p := newPerson(t, startSite(t, ""), "")
	p.open("/albums/7")
	p.wantForm()
	if status := p.click(`button[value="cancel"]`); status != 403 {
		t.Errorf("status %d", status)
	}
	p.wantProblem("access_denied")
	p.picture("problem-denied")
	p.click("a.button")
	p.wantForm()
	p.fill()
	p.wantUser("/albums/7")
}

// TestTwoTabs: each of two parallel logins ends on the page where it began, in any order.
func TestTwoTabs(t *testing.T) {
	one := newPerson(t, startSite(t, ""), "")
	one.open("/albums/1")
	two := one.tab()
	two.open("/albums/2")
	one.wantForm()
	two.wantForm()
	one.fill()
	one.wantUser("/albums/1")
	two.fill()
	two.wantUser("/albums/2")
	one.reload()
	one.wantUser("/albums/1")
	two.click("#out")
	one.open("/albums/1")
	one.wantForm()
}

// TestReload reloads every page of a login.
func TestReload(t *testing.T) {
	p := newPerson(t, startSite(t, ""), "")
	p.open("/")
	p.reload()
	p.click("#in")
	p.reload()
	p.wantForm()
	p.open("/albums/7")
	p.fill()
	p.reload()
	p.wantUser("/albums/7")
	p.open("/callback?code=x&state=y") // a bookmark
	p.wantUser("/")
	p.reload()
	p.wantUser("/")
	p.click("#out")
	p.reload()
	p.wantNobody()
	p.open("/callback?code=x&state=y")
	p.wantProblem("login_unknown")
	p.picture("problem-unknown")
	p.reload()
	p.wantProblem("login_unknown")
}

// TestBack goes back to every page of a login. The login is not lost, and not made twice. After
// the logout no page for signed-in users is shown.
func TestBack(t *testing.T) {
	p := newPerson(t, startSite(t, ""), "")
	p.open("/")
	p.click("#in")
	p.wantForm()
	p.back()
	p.wantNobody()
	p.open("/albums/7")
	p.fill()
	p.wantUser("/albums/7")
	p.back() // to the server's consent page, which was used already
	p.picture("server-form-used")
	p.open("/albums/7")
	p.wantUser("/albums/7")
	p.click("#out")
	p.back()
	if at := p.at(); at.Hostname() == appHost && at.Path == "/albums/7" {
		t.Errorf("after the logout the back button shows %s:\n%s", at, p.text())
	}
}

// TestExpired: the visitor submits the server's form too late.
func TestExpired(t *testing.T) {
	s := startSite(t, "")
	p := newPerson(t, s, "")
	p.open("/albums/7")
	p.wantForm()
	s.clock.turn(11 * time.Minute)
	p.fill()
	p.wantProblem("login_expired")
	p.picture("problem-expired")
	s.clock.turn(-11 * time.Minute)
	p.click("a.button")
	p.fill()
	p.wantUser("/albums/7")
}

// TestUnavailable: the authorization server is down.
func TestUnavailable(t *testing.T) {
	s := startSite(t, "")
	p := newPerson(t, s, "")
	s.server.Close()
	if status := p.open("/albums/7"); status != 503 {
		t.Errorf("status %d", status)
	}
	p.wantProblem("temporarily_unavailable")
	p.picture("problem-unavailable")
}

// startPlain starts an application on http, as in development: error pages show the reason.
func startPlain(t *testing.T) (app string) {
	t.Helper()
	var routes http.Handler
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { routes.ServeHTTP(w, r) }))
	t.Cleanup(server.Close)
	issuer := issuertest.New(t, issuertest.Config{PlainHTTP: true})
	clients := map[string]*client.Client{}
	for name, secret := range map[string]string{"main": issuertest.ClientSecret, "wrong": "canary-wrong"} {
		c, err := client.New(client.Config{Issuer: issuer.URL, ClientID: issuertest.ClientID, Auth: auth.Secret(secret), RedirectURL: server.URL + "/callback"})
		if err != nil {
			t.Fatal(err)
		}
		clients[name] = c
	}
	l, err := login.New(login.Config{
		Clients: clients, SignInPath: "/", InsecureHTTP: true, Log: slog.New(slog.DiscardHandler),
		Limit: func(r *http.Request) time.Duration { return time.Duration(len(r.URL.Query()["limited"])) * time.Minute },
	})
	if err != nil {
		t.Fatal(err)
	}
	mux := http.NewServeMux()
	mux.Handle("/login", l.Start())
	mux.Handle("/callback", l.Callback())
	mux.Handle("/logout", l.Logout())
	routes = mux
	return server.URL
}

// TestProblemPages: the pages of client/login in development, with the reason.
func TestProblemPages(t *testing.T) {
	app := startPlain(t)
	p := newPerson(t, nil, "")
	for name, test := range map[string]struct {
		path   string
		status int
		text   string
	}{
		"problem-configuration": {"/login?client=wrong", 500, "invalid_client"},
		"problem-link":          {"/login?client=nobody", 400, "This link does not work"},
		"problem-method":        {"/logout", 405, "GET is not accepted here"},
		"problem-limited":       {"/login?client=main&limited", 429, "Wait a moment"},
		"problem-callback":      {"/callback", 400, "login_unknown"},
	} {
		p.shows(name, app+test.path, test.status, test.text)
	}
}

// TestFormPost: the response is a form post from another site, with scripts and without.
func TestFormPost(t *testing.T) {
	for _, scripts := range []bool{true, false} {
		p := newPerson(t, startSite(t, "form_post"), "")
		if !scripts {
			p.withoutScripts()
		}
		p.open("/albums/7")
		p.wantForm()
		p.fill()
		if !scripts {
			p.picture("server-form-post")
			p.click("button")
		}
		p.do("wait", chromedp.WaitReady(chromedp.CSS("#who")))
		p.wantUser("/albums/7")
		p.reload()
		p.wantUser("/albums/7")
	}
}

// TestWithoutScripts: a login needs no scripts.
func TestWithoutScripts(t *testing.T) {
	p := newPerson(t, startSite(t, ""), "")
	p.withoutScripts()
	p.open("/")
	p.click("#in")
	p.wantForm()
	p.fill()
	p.wantUser("/")
	p.click("#out")
	p.wantNobody()
}

// withoutCookies are the preferences of a browser that blocks cookies.
const withoutCookies = `{"profile":{"default_content_setting_values":{"cookies":2}}}`

// TestWithoutCookies: the visitor sees that cookies are missing, and there is no loop.
func TestWithoutCookies(t *testing.T) {
	p := newPerson(t, startSite(t, ""), withoutCookies)
	p.open("/albums/7")
	p.wantForm()
	p.fill()
	p.wantProblem("login_unknown")
	p.picture("problem-cookies")
	p.wantNobody()
}
