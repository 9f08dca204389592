package main

import (
	"context"
	"errors"
	"fmt"
	"html"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"regexp"
	"strings"
	"time"
)

// visitor is a browser and who sits in front of it: it follows redirects, keeps
// cookies, and fills in the server's forms. It knows nothing but what it is shown.
type visitor struct {
	app                string // address
	username, password string
	cancel             bool
	http               *http.Client
	step               int    // of the seven: where it is
	refusal            string // the server's error, as it was in the browser's address
}

func newVisitor(app string, o *options) *visitor {
	jar, _ := cookiejar.New(nil) // fails for no options at all
	return &visitor{
		app: app, username: o.username, password: o.password, cancel: o.cancel,
		http: &http.Client{
			Jar: jar, Timeout: 30 * time.Second,
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
	}
}

// seen is the last page.
type seen struct{ report, answer string }

const maxPages = 20 // in one visit

// visit goes from the application's address to its last page.
func (v *visitor) visit(ctx context.Context) (*seen, error) {
	v.step = 1
	next, err := http.NewRequestWithContext(ctx, http.MethodGet, v.app+"/photos", nil)
	for range maxPages {
		if err != nil {
			return nil, v.stopped(err)
		}
		var shown *shown
		if shown, err = v.open(next); err != nil {
			return nil, v.stopped(err)
		}
		if shown.redirect == nil && v.atApp(shown.url) {
			return v.read(shown)
		}
		next, err = v.next(ctx, shown)
	}
	return nil, v.stopped(fmt.Errorf("more than %d pages", maxPages))
}

func (v *visitor) stopped(err error) error { return fmt.Errorf("step %d: %w", v.step, err) }

// shown is what a request led to.
type shown struct {
	url, redirect *url.URL
	status        int
	body          string
}

func (v *visitor) open(r *http.Request) (*shown, error) {
	resp, err := v.http.Do(r)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	if err != nil {
		return nil, err
	}
	out := &shown{url: r.URL, status: resp.StatusCode, body: string(body)}
	if resp.StatusCode >= 300 && resp.StatusCode < 400 {
		out.redirect, err = resp.Location()
	}
	return out, err
}

func (v *visitor) atApp(u *url.URL) bool { return u.Scheme+"://"+u.Host == v.app }

// next is where the page leads: on, or through its form.
func (v *visitor) next(ctx context.Context, s *shown) (*http.Request, error) {
	if s.redirect != nil {
		if err := v.cross(s); err != nil {
			return nil, err
		}
		return http.NewRequestWithContext(ctx, http.MethodGet, s.redirect.String(), nil)
	}
	if strings.Contains(s.body, `class="wrong"`) {
		return nil, fmt.Errorf("the server does not take the password (status %d)", s.status)
	}
	f, err := parseForm(s.body)
	if err != nil {
		return nil, fmt.Errorf("%s shows no form to fill in (status %d): %w", s.url.Host, s.status, err)
	}
	return f.submit(ctx, s.url, v.username, v.password, v.cancel)
}

// cross notes the two redirects between application and server, and looks at them.
func (v *visitor) cross(s *shown) error {
	from, to := v.atApp(s.url), v.atApp(s.redirect)
	q := s.redirect.Query()
	switch {
	case from && !to:
		v.step = 3
		if !q.Has("client_id") {
			return errors.New("the application redirects without client_id")
		}
	case !from && to:
		v.step = 4
		if q.Has("error") {
			v.step = 3
			v.refusal = fmt.Sprintf("the server answers %s (%s); ", q.Get("error"), q.Get("error_description"))
		} else if !q.Has("code") {
			return errors.New("the server redirects back with neither code nor error")
		}
	case from && to:
		v.step = 5
	}
	return nil
}

// read takes from the last page what a person would look at.
func (v *visitor) read(s *shown) (*seen, error) {
	if code := element(s.body, "strong", "code"); code != "" {
		return nil, v.stopped(fmt.Errorf("%sthe application says %s (status %d, id %s; the reason is in its log)",
			v.refusal, code, s.status, element(s.body, "strong", "id")))
	}
	out := &seen{report: element(s.body, "pre", "report"), answer: element(s.body, "pre", "answer")}
	if s.status != http.StatusOK {
		v.step = 6
		return nil, v.stopped(fmt.Errorf("the API answers %s", out.answer))
	}
	if out.report == "" || out.answer == "" {
		return nil, v.stopped(errors.New("the page shows no table or no answer"))
	}
	return out, nil
}

// element gives the text of the element with an id, in pages of our own.
func element(body, name, id string) string {
	pattern := fmt.Sprintf(`(?s)<%s id="%s"[^>]*>(.*?)</%s>`, name, id, name)
	m := regexp.MustCompile(pattern).FindStringSubmatch(body)
	if m == nil {
		return ""
	}
	return html.UnescapeString(m[1])
}
