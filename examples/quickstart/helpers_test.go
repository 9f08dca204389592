package main

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/countersign/countersign/examples/internal/visitor"
)

// browser is a visitor whom a test controls.
type browser struct {
	*visitor.Visitor
	t     *testing.T
	pages []string // all pages that it got
}

func (b *bench) browser(t *testing.T) *browser {
	return &browser{Visitor: &visitor.Visitor{App: b.app, Username: demoUser.Subject}, t: t}
}

func (b *browser) send(r *http.Request) *visitor.Page {
	b.t.Helper()
	s, err := b.Open(r)
	if err != nil {
		b.t.Fatal(err)
	}
	b.pages = append(b.pages, s.Body)
	return s
}

func (b *browser) get(address string) *visitor.Page {
	b.t.Helper()
	r, err := http.NewRequestWithContext(b.t.Context(), http.MethodGet, address, nil)
	if err != nil {
		b.t.Fatal(err)
	}
	return b.send(r)
}

// begin opens the login form.
func (b *browser) begin() *visitor.Page {
	b.t.Helper()
	redirect := b.get(b.App + "/photos").Redirect
	if redirect == nil {
		b.t.Fatal("the application does not redirect to the server")
	}
	return b.get(redirect.String())
}

// fill submits the server's forms, and returns the page after them.
func (b *browser) fill(s *visitor.Page) *visitor.Page {
	b.t.Helper()
	s, err := b.Through(b.t.Context(), s)
	if err != nil {
		b.t.Fatal(err)
	}
	b.pages = append(b.pages, s.Body)
	return s
}

// consent signs in, and returns the consent page.
func (b *browser) consent() *visitor.Page {
	b.t.Helper()
	return b.get(b.press(b.begin()).Redirect.String())
}

// press sends the form of a page.
func (b *browser) press(s *visitor.Page) *visitor.Page {
	b.t.Helper()
	r, err := b.Fill(b.t.Context(), s)
	if err != nil {
		b.t.Fatal(err)
	}
	return b.send(r)
}

// callback signs in, and returns the address of the server's redirect.
func (b *browser) callback() *url.URL {
	b.t.Helper()
	s := b.fill(b.begin())
	if s.Redirect == nil || !s.Redirect.Query().Has("code") {
		b.t.Fatalf("no code: status %d, %v", s.Status, s.Redirect)
	}
	return s.Redirect
}

func (b *browser) cookie() string {
	u, err := url.Parse(b.App)
	if err != nil {
		b.t.Fatal(err)
	}
	for _, c := range b.Jar().Cookies(u) {
		if c.Name == "print_shop" {
			return c.Value
		}
	}
	return ""
}

// wantFailure fails the test if the page is not an error page with a code, and an id that the log
// has too.
func (b *bench) wantFailure(t *testing.T, s *visitor.Page, status int, code string) {
	t.Helper()
	if s.Status != status {
		t.Errorf("status %d, want %d", s.Status, status)
	}
	if got := s.Element("strong", "code"); got != code {
		t.Errorf("code %q, want %q", got, code)
	}
	title := problems[code].Title
	if status == http.StatusBadGateway { // of the API
		title = apiDown.Title
	}
	if title == "" || !strings.Contains(s.Body, "<h1>"+title+"</h1>") {
		t.Errorf("the page lacks the title %q:\n%s", title, s.Body)
	}
	id := s.Element("strong", "id")
	if id == "" || !strings.Contains(b.written.String(), "id="+id) {
		t.Errorf("id %q is not in the log", id)
	}
}
