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

// appURL is where the web app is. Only the visitor's browser can go there, and it
// needs no port, so that the servers can know the address before a test runs.
const appURL = "https://app.example"

// visitor is a user with a browser: one that keeps cookies, follows redirects, and
// runs no scripts.
type visitor struct {
	http    *http.Client
	refuses bool     // at the question whether the app may have what it wants
	seen    []string // what was done on the way, for the log
}

func newVisitor(t *testing.T, app http.Handler) *visitor {
	t.Helper()
	return &visitor{http: &http.Client{Jar: newJar(), Transport: &web{app, transport(t, "")}}}
}

// goTo puts another app in the place of the one the visitor knew.
func (v *visitor) goTo(app http.Handler) { v.http.Transport.(*web).app = app }

// maxPages is more than any server shows.
const maxPages = 6

// visit goes to address, fills in what the server asks on the way, and gives the
// app's page that it all ends at.
func (v *visitor) visit(address string) (*page, error) {
	p, err := v.get(address)
	for range maxPages {
		if err != nil || strings.HasPrefix(p.url.String(), appURL) {
			return p, err
		}
		p, err = v.answer(p)
	}
	return nil, fmt.Errorf("the server keeps asking: %q, %v", v.seen, err)
}

// decide goes to address and fills in what the server asks, up to a page that asks nothing
// or to the visitor's refusal, after which a server may ask for another code.
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

// answer fills in a page of the server.
func (v *visitor) answer(p *page) (*page, error) {
	form := p.form()
	switch {
	case form == nil:
		return nil, fmt.Errorf("stuck at %s (status %d): %s", p.url.Path, p.status, p.text())
	case strings.HasPrefix(form.action.String(), appURL), form.button() == nil:
		return v.post(form, nil) // form_post and the like: browsers run the script that does it
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

// submit presses a button of the form.
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

// web is the visitor's: the app, and the servers on loopback.
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

// jar takes loopback for as safe as https, as browsers do: servers mark cookies
// Secure on http too.
type jar struct{ cookies *cookiejar.Jar }

func newJar() jar {
	cookies, err := cookiejar.New(nil)
	if err != nil {
		panic(err) // does not happen: there are no options to be wrong
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
