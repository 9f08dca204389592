package interop

import (
	"bytes"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"golang.org/x/net/html"
)

// page is a page in the browser.
type page struct {
	url    *url.URL
	status int
	body   []byte
	root   *html.Node
}

func readPage(resp *http.Response) (*page, error) {
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	if err != nil {
		return nil, err
	}
	root, err := html.Parse(bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	return &page{url: resp.Request.URL, status: resp.StatusCode, body: body, root: root}, nil
}

// form returns the page's first form with the method POST, or nil if it has none.
func (p *page) form() *form {
	for n := range p.root.Descendants() {
		if n.Data != "form" || !strings.EqualFold(attribute(n, "method"), "post") {
			continue
		}
		if action, err := p.url.Parse(attribute(n, "action")); err == nil {
			return &form{action: action, node: n, page: p.root}
		}
	}
	return nil
}

// link returns the target of the first link whose text contains word, or nil if no link does.
func (p *page) link(word string) *url.URL {
	for n := range p.root.Descendants() {
		if n.Data == "a" && strings.Contains(text(n), word) {
			if u, err := p.url.Parse(attribute(n, "href")); err == nil {
				return u
			}
		}
	}
	return nil
}

// text returns the text of the page in one line.
func (p *page) text() string { return text(p.root) }

func text(root *html.Node) string {
	var words []string
	for n := range root.Descendants() {
		if n.Type == html.TextNode && n.Parent.Data != "script" && n.Parent.Data != "style" {
			words = append(words, strings.Fields(n.Data)...)
		}
	}
	return strings.Join(words, " ")
}

// form is an HTML form.
type form struct {
	action *url.URL
	node   *html.Node
	page   *html.Node
}

// asks reports whether the form has a field of that type.
func (f *form) asks(want string) bool {
	return slices.ContainsFunc(f.controls(), func(n *html.Node) bool { return kind(n) == want })
}

// controls returns the controls in the form, and those elsewhere on the page that refer to
// it.
func (f *form) controls() []*html.Node {
	inside := map[*html.Node]bool{}
	for n := range f.node.Descendants() {
		inside[n] = true
	}
	id := attribute(f.node, "id")
	var out []*html.Node
	for n := range f.page.Descendants() {
		if (n.Data == "input" || n.Data == "button") && (inside[n] || id != "" && attribute(n, "form") == id) {
			out = append(out, n)
		}
	}
	return out
}

// button returns the form's first button with one of the names, or with any name if none is given.
// It returns nil if the form has no such button.
func (f *form) button(names ...string) *html.Node {
	for _, n := range f.controls() {
		if kind(n) == "submit" && (len(names) == 0 || slices.Contains(names, attribute(n, "name"))) {
			return n
		}
	}
	return nil
}

// filled returns the values that a browser posts, with user name, password and the pressed
// button. button is nil if a script submits the form.
func (f *form) filled(button *html.Node) url.Values {
	values := url.Values{}
	for _, n := range f.controls() {
		switch kind(n) {
		case "hidden":
			values.Add(attribute(n, "name"), attribute(n, "value"))
		case "text", "password":
			values.Add(attribute(n, "name"), user) // the password is equal to the user name
		}
	}
	if button != nil && attribute(button, "name") != "" {
		values.Add(attribute(button, "name"), attribute(button, "value"))
	}
	return values
}

// kind returns the type of a control.
func kind(n *html.Node) string { return strings.ToLower(attribute(n, "type")) }

func attribute(n *html.Node, name string) string {
	for _, a := range n.Attr {
		if a.Key == name {
			return a.Val
		}
	}
	return ""
}
