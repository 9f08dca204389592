package browser

import (
	"testing"
	"time"

	"github.com/chromedp/chromedp"
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
