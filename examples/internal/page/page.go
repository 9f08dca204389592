// Package page writes the pages of the examples: one layout, one style sheet, and the headers
// that a page about a signed-in visitor needs.
package page

import (
	"bytes"
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"html/template"
	"net/http"
)

//go:embed style.css
var style string

const layout = `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{{template "title" .}}</title>
<link rel="icon" href="{{icon}}">
<style>{{style}}</style>
</head>
<body class="{{site.Party}}">
{{if site.Name}}<header class="bar {{site.Party}}"><div><span><a href="/"><strong>{{mark site.Party}}{{site.Name}}</strong></a><small>{{site.Kind}}</small></span>{{block "account" .}}{{end}}</div></header>
{{end}}<main>
<h1>{{template "title" .}}</h1>
{{template "body" .}}
</main>
</body>
</html>
`

// Site is whose pages they are. The zero value has no bar with a name.
type Site struct {
	Name  string // in the bar
	Kind  string // what the site is, beside the name
	Party Party
}

// Page is a page in the common layout.
type Page struct{ template *template.Template }

// New makes a page of a site without a name.
func New(title, body string) *Page { return Site{Party: App}.Page(title, body) }

// Page makes a page from its title and body, each the text of an html/template. A body may
// define the template "account", which is at the end of the bar. Page panics if one of them is
// malformed: they are constants.
func (s Site) Page(title, body string) *Page {
	t := template.New("layout").Funcs(template.FuncMap{
		"site": func() Site { return s }, "style": func() template.CSS { return template.CSS(style) },
		"icon": s.Party.address, "mark": Party.mark, "state": stateMark, "sign": sign,
	})
	template.Must(t.Parse(layout))
	template.Must(t.New("title").Parse(title))
	template.Must(t.New("body").Parse(body))
	return &Page{t}
}

// policy lets a page load only its icon, which is in the page, and run no script. The hash names
// its style sheet. There is no form-action: browsers apply it to the redirect after a form too,
// and that redirect leads from the server back to the application.
var policy = "default-src 'none'; base-uri 'none'; frame-ancestors 'none'; img-src data:; style-src 'sha256-" + hash(style) + "'"

func hash(s string) string {
	sum := sha256.Sum256([]byte(s))
	return base64.StdEncoding.EncodeToString(sum[:])
}

// Write sends the page.
func (p *Page) Write(w http.ResponseWriter, status int, data any) {
	var b bytes.Buffer
	if err := p.template.Execute(&b, data); err != nil {
		http.Error(w, "The page could not be written.", http.StatusInternalServerError)
		return
	}
	SetHeaders(w.Header())
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(status)
	w.Write(b.Bytes())
}

// SetHeaders sets the header fields of every response about a visitor. No cache stores it, and no
// page frames it. No other site receives its address, which in a callback has a code.
func SetHeaders(h http.Header) {
	h.Set("Content-Security-Policy", policy)
	h.Set("Cache-Control", "no-store")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("X-Content-Type-Options", "nosniff")
}
