package interop

import (
	"fmt"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"

	"golang.org/x/net/html"
)

// appURL is the address of the web application. Only the visitor's browser can reach it. It
// has no port, so the servers can be configured with it before a test runs.
const appURL = "https://app.example"

// visitor is a user with a browser. The browser keeps cookies and follows redirects, but runs
// no scripts.
type visitor struct {
	http    *http.Client
	program bool     // the application is a program that listens on loopback
	refuses bool     // denies the application access on the consent page
	seen    []string // the steps so far, for the log
}

func newVisitor(t *testing.T, app http.Handler) *visitor {
	t.Helper()
	return &visitor{http: &http.Client{Jar: newJar(), Transport: &web{app, transport(t, "")}}}
}

// goTo replaces the application that the visitor's browser reaches.
func (v *visitor) goTo(app http.Handler) { v.http.Transport.(*web).app = app }

// loopbackURL is the address of a program that listens on loopback, as it is registered. The
// port is free (RFC 8252 §7.3).
const loopbackURL = "http://127.0.0.1/callback"

// maxPages is a limit that no server reaches.
const maxPages = 6

// visit opens address, fills in the server's forms, and returns the last page, which is the
// application's.
func (v *visitor) visit(address string) (*page, error) {
	p, err := v.get(address)
	for range maxPages {
		if err != nil || v.arrived(p.url) {
			return p, err
		}
		p, err = v.answer(p)
	}
	return nil, fmt.Errorf("the server keeps asking: %q, %v", v.seen, err)
}

// arrived reports whether the browser is at the application.
func (v *visitor) arrived(u *url.URL) bool {
	if v.program {
		return u.Hostname() == "127.0.0.1" && u.Path == "/callback"
	}
	return strings.HasPrefix(u.String(), appURL)
}

// decide opens address and fills in the server's forms. It stops at a page without a form, or when
// the visitor denies access, because a server may then show a form for another code.
func (v *visitor) decide(address string) error {
	p, err := v.get(address)
	for range maxPages {
		if err != nil || p.form() == nil || slices.Contains(v.seen, "refuses") {
			return err
		}
		p, err = v.answer(p)
	}
	return fmt.Errorf("the server keeps asking: %q, %v", v.seen, err)
}

// answer fills in one page of the server.
func (v *visitor) answer(p *page) (*page, error) {
	form := p.form()
	switch {
	case form == nil:
		return nil, fmt.Errorf("stuck at %s (status %d): %s", p.url.Path, p.status, p.text())
	case strings.HasPrefix(form.action.String(), appURL), form.button() == nil:
		return v.post(form, nil) // form_post and similar pages: a browser runs the script that submits the form
	case form.button("logout") != nil:
		v.seen = append(v.seen, "signs out")
		return v.submit(form, form.button("logout"))
	case form.asks("password"):
		v.seen = append(v.seen, "signs in")
		return v.submit(form, form.button())
	case v.refuses:
		v.seen = append(v.seen, "refuses")
		if link := p.link("Cancel"); link != nil {
			return v.get(link.String())
		}
		return v.submit(form, form.button("cancel", "abort"))
	}
	v.seen = append(v.seen, "consents")
	return v.submit(form, form.button("accept", ""))
}

func (v *visitor) get(address string) (*page, error) {
	resp, err := v.http.Get(address)
	if err != nil {
		return nil, err
	}
	return readPage(resp)
}

// submit sends the form with the given button.
func (v *visitor) submit(f *form, button *html.Node) (*page, error) {
	if button == nil {
		return nil, fmt.Errorf("the form that goes to %s lacks the button", f.action.Path)
	}
	return v.post(f, button)
}

func (v *visitor) post(f *form, button *html.Node) (*page, error) {
	resp, err := v.http.PostForm(f.action.String(), f.filled(button))
	if err != nil {
		return nil, err
	}
	return readPage(resp)
}

// web is the visitor's transport. It reaches the application and the servers on loopback.
type web struct {
	app     http.Handler
	servers http.RoundTripper
}

// RoundTrip implements http.RoundTripper.
func (w *web) RoundTrip(r *http.Request) (*http.Response, error) {
	app := w.app
	switch r.URL.Scheme + "://" + r.URL.Host {
	case appURL:
	case hydraLoginURL:
		app = hydraLogin()
	default:
		return w.servers.RoundTrip(r)
	}
	rec := httptest.NewRecorder()
	app.ServeHTTP(rec, r)
	resp := rec.Result()
	resp.Request = r
	return resp, nil
}

// jar treats loopback like https, as browsers do: servers set Secure cookies on http too.
type jar struct{ cookies *cookiejar.Jar }

func newJar() jar {
	cookies, err := cookiejar.New(nil)
	if err != nil {
		panic(err) // cannot happen: there are no options that could be wrong
	}
	return jar{cookies}
}

// SetCookies implements http.CookieJar.
func (j jar) SetCookies(u *url.URL, cookies []*http.Cookie) { j.cookies.SetCookies(secure(u), cookies) }

// Cookies implements http.CookieJar.
func (j jar) Cookies(u *url.URL) []*http.Cookie { return j.cookies.Cookies(secure(u)) }

func secure(u *url.URL) *url.URL {
	out := *u
	out.Scheme = "https"
	return &out
}
