// Package htmlpage is the HTML of the module's own pages: one layout, and a content security
// policy that lets a page load and run nothing.
package htmlpage

import (
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"html"
	"net/http"
	"strconv"
)

// The verbs are, in order: title, style, heading, text, rest.
const layout = `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>%s</title>
<style>%s</style>
</head>
<body>
<main>
<h1>%s</h1>
<p>%s</p>
%s</main>
</body>
</html>
`

// Layout is the look of a package's pages. Create one with New.
type Layout struct{ style, policy string }

// New returns a Layout with a style sheet. style must be a constant, because it is not escaped.
func New(style string) *Layout {
	sum := sha256.Sum256([]byte(style))
	return &Layout{style, "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; style-src 'sha256-" +
		base64.StdEncoding.EncodeToString(sum[:]) + "'"}
}

// HTML returns a page. It escapes title and text. rest is HTML: the caller must escape its
// values.
func (l *Layout) HTML(title, text, rest string) []byte {
	title = html.EscapeString(title)
	return fmt.Appendf(nil, layout, title, l.style, title, html.EscapeString(text), rest)
}

// Write sends a page. The page's address may contain a code, so caches must not store the page
// and other sites must not learn the address.
func (l *Layout) Write(w http.ResponseWriter, status int, body []byte) {
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Length", strconv.Itoa(len(body)))
	h.Set("Content-Security-Policy", l.policy)
	h.Set("Cache-Control", "no-store")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(status)
	w.Write(body)
}
