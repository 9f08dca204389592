// Package visitor is a browser and who sits in front of it: it follows redirects, keeps
// cookies and fills in a server's login forms. It knows only the pages that it receives.
package visitor

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

// Visitor visits one application. App must be set.
type Visitor struct {
	App                string // the application's address, without a path
	Username, Password string
	Cancel             bool // press Cancel

	// Step is the current step of the path, 1 to 7. 1 is at the application, 3 at the server, 4 has a
	// callback, and 5 is after it.
	Step int

	// Refusal is the error that the server sent the browser back with, "" for none.
	Refusal string

	jar http.CookieJar
}

// Page is the response at the end of a request and its redirects.
type Page struct {
	URL, Redirect *url.URL // Redirect is nil for a page
	Status        int
	Body          string
}

// Element returns the text of the element with an id, in pages of the examples. It is "" if there
// is no such element.
func (p *Page) Element(name, id string) string {
	pattern := fmt.Sprintf(`(?s)<%s id="%s"[^>]*>(.*?)</%s>`, name, id, name)
	m := regexp.MustCompile(pattern).FindStringSubmatch(p.Body)
	if m == nil {
		return ""
	}
	return html.UnescapeString(tag.ReplaceAllString(m[1], ""))
}

// Table returns the rows of the table with an id, in pages of the examples: the text of each cell,
// with remarks in parentheses. It is nil if there is no such table.
func (p *Page) Table(id string) (rows [][]string) {
	m := regexp.MustCompile(`(?s)<table id="` + id + `">(.*?)</table>`).FindStringSubmatch(p.Body)
	if m == nil {
		return nil
	}
	for _, row := range tableRow.FindAllStringSubmatch(m[1], -1) {
		var cells []string
		for _, cell := range tableCell.FindAllStringSubmatch(row[1], -1) {
			cells = append(cells, strings.TrimSpace(html.UnescapeString(tag.ReplaceAllString(remark.ReplaceAllString(cell[1], "($1)"), ""))))
		}
		rows = append(rows, cells)
	}
	return rows
}

var (
	tableRow  = regexp.MustCompile(`(?s)<tr>(.*?)</tr>`)
	remark    = regexp.MustCompile(`(?s)<small>(.*?)</small>`)
	tableCell = regexp.MustCompile(`(?s)<t[hd][^>]*>(.*?)</t[hd]>`)
)

var tag = regexp.MustCompile(`<[^>]*>`)

const maxPages = 20 // in one visit

// Visit follows redirects from a page of the application, and fills in login forms. It returns the
// page of the application at the end.
func (v *Visitor) Visit(ctx context.Context, path string) (*Page, error) {
	v.Step = 1
	next, err := http.NewRequestWithContext(ctx, http.MethodGet, v.App+path, nil)
	for range maxPages {
		if err != nil {
			return nil, err
		}
		var p *Page
		if p, err = v.Open(next); err != nil {
			return nil, err
		}
		if p.Redirect == nil && v.atApp(p.URL) {
			return p, nil
		}
		next, err = v.next(ctx, p)
	}
	return nil, fmt.Errorf("more than %d pages", maxPages)
}

// Open sends one request with the visitor's cookies.
func (v *Visitor) Open(r *http.Request) (*Page, error) {
	resp, err := v.client().Do(r)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	if err != nil {
		return nil, err
	}
	p := &Page{URL: r.URL, Status: resp.StatusCode, Body: string(body)}
	if resp.StatusCode >= 300 && resp.StatusCode < 400 {
		p.Redirect, err = resp.Location()
	}
	return p, err
}

func (v *Visitor) client() *http.Client {
	return &http.Client{
		Jar: v.Jar(), Timeout: 30 * time.Second,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// Jar holds the visitor's cookies.
func (v *Visitor) Jar() http.CookieJar {
	if v.jar == nil {
		v.jar, _ = cookiejar.New(nil) // cookiejar.New does not fail without options
	}
	return v.jar
}

// Answer opens a server's page, fills in its forms one after the other, and gives the address
// that the server redirects to.
func (v *Visitor) Answer(ctx context.Context, address string) (*url.URL, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return nil, err
	}
	page, err := v.Open(r)
	if err == nil {
		page, err = v.Through(ctx, page)
	}
	if err == nil && page.Redirect == nil {
		err = fmt.Errorf("the server does not redirect back (status %d)", page.Status)
	}
	if err != nil {
		return nil, err
	}
	return page.Redirect, nil
}

// Through fills in forms, beginning with the one of p, until a page leads to another host or has
// no form.
func (v *Visitor) Through(ctx context.Context, p *Page) (*Page, error) {
	for range maxPages {
		var r *http.Request
		var err error
		switch {
		case p.Redirect != nil && p.Redirect.Host == p.URL.Host:
			r, err = http.NewRequestWithContext(ctx, http.MethodGet, p.Redirect.String(), nil)
		case p.Redirect == nil && hasForm(p.Body):
			r, err = v.Fill(ctx, p)
		default:
			return p, nil
		}
		if err != nil {
			return nil, err
		}
		if p, err = v.Open(r); err != nil {
			return nil, err
		}
	}
	return nil, fmt.Errorf("more than %d pages", maxPages)
}

func (v *Visitor) atApp(u *url.URL) bool { return u.Scheme+"://"+u.Host == v.App }

// next returns the request that follows a page: its redirect, or its form.
func (v *Visitor) next(ctx context.Context, p *Page) (*http.Request, error) {
	if p.Redirect != nil {
		if err := v.cross(p); err != nil {
			return nil, err
		}
		return http.NewRequestWithContext(ctx, http.MethodGet, p.Redirect.String(), nil)
	}
	if strings.Contains(p.Body, `class="wrong"`) {
		return nil, fmt.Errorf("the server rejects the password (status %d)", p.Status)
	}
	return v.Fill(ctx, p)
}

// Fill fills in the form on a page.
func (v *Visitor) Fill(ctx context.Context, p *Page) (*http.Request, error) {
	f, err := parseForm(p.Body)
	if err != nil {
		return nil, fmt.Errorf("%s shows no form to fill in (status %d): %w", p.URL.Host, p.Status, err)
	}
	return f.submit(ctx, p.URL, v)
}

// cross looks at the redirects between application and server, and keeps the step.
func (v *Visitor) cross(p *Page) error {
	q := p.Redirect.Query()
	switch from, to := v.atApp(p.URL), v.atApp(p.Redirect); {
	case from && to:
		v.Step = 5
	case from:
		v.Step = 3
		if !q.Has("client_id") {
			return errors.New("the application redirects without client_id")
		}
	case to && q.Has("error"):
		v.Refusal = fmt.Sprintf("%s (%s)", q.Get("error"), q.Get("error_description"))
	case to:
		v.Step = 4
		if !q.Has("code") {
			return errors.New("the server redirects back with neither code nor error")
		}
	}
	return nil
}
