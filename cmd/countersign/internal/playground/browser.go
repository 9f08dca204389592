package playground

import (
	"html"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"regexp"
	"strings"
	"time"
)

// newBrowser is a browser without cookies.
func (l *lab) newBrowser() *http.Client {
	jar, _ := cookiejar.New(nil) // never an error
	return &http.Client{Jar: jar, Timeout: 20 * time.Second, Transport: l.recorder(laneBrowser, &lazyTransport{l: &lab{roots: l.roots, on: map[string]bool{}}})}
}

// screen is the page that a browser shows.
type screen struct {
	URL, Text, Location string
	Status              int
}

// stopAt makes the browser stop before it follows a redirect that matches, and returns its address.
func stopAt(b *http.Client, match func(*url.URL) bool) *http.Client {
	copied := *b
	copied.CheckRedirect = func(r *http.Request, via []*http.Request) error {
		if match(r.URL) || len(via) > 10 {
			return http.ErrUseLastResponse
		}
		return nil
	}
	return &copied
}

func (l *lab) get(b *http.Client, address string) screen {
	resp, err := b.Get(address)
	return l.read(b, resp, err)
}

// post sends a form with header fields, as a page does.
func (l *lab) post(b *http.Client, address string, form url.Values, header map[string]string) screen {
	r, err := http.NewRequest(http.MethodPost, address, strings.NewReader(form.Encode()))
	if err != nil {
		return screen{Text: "the address is malformed"}
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	for name, value := range header {
		r.Header.Set(name, value)
	}
	return l.do(b, r)
}

func (l *lab) do(b *http.Client, r *http.Request) screen {
	resp, err := b.Do(r)
	return l.read(b, resp, err)
}

// read reads a page. It posts the form of the response mode form_post, as its script does.
func (l *lab) read(b *http.Client, resp *http.Response, err error) screen {
	if err != nil {
		return screen{Text: "no response"}
	}
	defer resp.Body.Close()
	page := readPage(resp)
	if action, form := autoForm(page); action != "" {
		return l.submit(b, action, form)
	}
	return screen{resp.Request.URL.String(), text(page), resp.Header.Get("Location"), resp.StatusCode}
}

// submit posts a form of the server's page to the application.
func (l *lab) submit(b *http.Client, action string, form url.Values) screen {
	return l.post(b, action, form, map[string]string{"Origin": "null", "Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate"})
}

func readPage(resp *http.Response) string {
	body, _ := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	return string(body)
}

var (
	formTag  = regexp.MustCompile(`<form[^>]*action="([^"]*)"`)
	inputTag = regexp.MustCompile(`<input type="hidden" name="([^"]*)" value="([^"]*)"`)
	hidden   = regexp.MustCompile(`(?s)<(style|script|title)\b.*?</(style|script|title)>|</?(strong|em|code|a|span|b)\b[^>]*>`)
	tag      = regexp.MustCompile(`<[^>]*>`)
	blank    = regexp.MustCompile(`\s*\n\s*`)
)

func autoForm(page string) (action string, form url.Values) {
	found := formTag.FindStringSubmatch(page)
	if found == nil || !strings.Contains(found[1], "/callback") {
		return "", nil
	}
	form = url.Values{}
	for _, input := range inputTag.FindAllStringSubmatch(page, -1) {
		form.Set(html.UnescapeString(input[1]), html.UnescapeString(input[2]))
	}
	return html.UnescapeString(found[1]), form
}

// text returns the text of a page.
func text(page string) string {
	return strings.TrimSpace(blank.ReplaceAllString(html.UnescapeString(tag.ReplaceAllString(hidden.ReplaceAllString(page, ""), "\n")), "\n"))
}
