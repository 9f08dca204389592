// Package page writes the pages of the examples: one layout, and the headers that
// a page about a signed-in visitor should have.
package page

import (
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"html/template"
	"log/slog"
	"net/http"
)

const style = `
:root { color-scheme: light; }
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 72rem; padding: 1rem; font: 1rem/1.5 system-ui, sans-serif; color: #1b1b1f; background: #fff; overflow-wrap: anywhere; }
h1 { font-size: 1.5rem; line-height: 1.25; }
h2 { font-size: 1.125rem; margin-top: 2rem; }
a { color: #0b57d0; }
pre { padding: .75rem; background: #f3f4f8; border: 1px solid #c7c9d3; overflow-x: auto; font-size: .8125rem; overflow-wrap: normal; }
li { margin: .25rem 0; }
label { display: block; margin: .75rem 0 .25rem; font-weight: 600; }
input { display: block; width: 100%; max-width: 24rem; padding: .5rem; font: inherit; border: 1px solid #5f6271; border-radius: .25rem; }
button, .button { display: inline-block; margin: 1rem .5rem 0 0; padding: .5rem 1rem; font: inherit; color: #fff; background: #0b57d0; border: 1px solid #0b57d0; border-radius: .25rem; text-decoration: none; cursor: pointer; }
button.quiet { color: #1b1b1f; background: #fff; border-color: #5f6271; }
:focus-visible { outline: 3px solid #0b57d0; outline-offset: 2px; }
.wrong { color: #a50e0e; font-weight: 600; }
@media (max-width: 48rem) {
  pre.rows { white-space: pre-line; }
  pre.rows span { display: block; padding-left: 1.5rem; text-indent: -1.5rem; }
}
`

const layout = `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{{template "title" .}}</title>
<style>` + style + `</style>
</head>
<body>
<main>
<h1>{{template "title" .}}</h1>
{{template "body" .}}
</main>
</body>
</html>
`

// Page is a page in the common layout.
type Page struct{ template *template.Template }

// New makes a page of its title and body, each the text of an html/template. It
// panics if one of them is malformed, as they are constants.
func New(title, body string) *Page {
	t := template.Must(template.New("layout").Parse(layout))
	template.Must(t.New("title").Parse(title))
	template.Must(t.New("body").Parse(body))
	return &Page{t}
}

// policy lets a page load nothing and run nothing; its one style sheet is named by its
// hash. There is no form-action: browsers apply it to the redirect after the form
// too, and that leads from the server back to the application.
var policy = "default-src 'none'; base-uri 'none'; frame-ancestors 'none'; style-src 'sha256-" + hash(style) + "'"

func hash(s string) string {
	sum := sha256.Sum256([]byte(s))
	return base64.StdEncoding.EncodeToString(sum[:])
}

// Write answers a request with the page.
func (p *Page) Write(w http.ResponseWriter, status int, data any) {
	p.write(w, status, data, policy)
}

// WriteScript is Write for a page that has one script in it, and may run that.
func (p *Page) WriteScript(w http.ResponseWriter, status int, data any, script string) {
	p.write(w, status, data, policy+"; script-src 'sha256-"+hash(script)+"'")
}

func (p *Page) write(w http.ResponseWriter, status int, data any, policy string) {
	var b bytes.Buffer
	if err := p.template.Execute(&b, data); err != nil {
		http.Error(w, "This page cannot be shown.", http.StatusInternalServerError)
		return
	}
	SetHeaders(w.Header())
	w.Header().Set("Content-Security-Policy", policy)
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(status)
	w.Write(b.Bytes())
}

// SetHeaders sets what every answer about a visitor should have: nobody keeps it,
// frames it, or learns its address, which in a callback holds a code.
func SetHeaders(h http.Header) {
	h.Set("Content-Security-Policy", policy)
	h.Set("Cache-Control", "no-store")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("X-Content-Type-Options", "nosniff")
}

// Failure is what a visitor is told when something went wrong: a code and an id
// that is in the log as well, and nothing from inside.
type Failure struct {
	Code string
	ID   string
}

// Cancelled tells whether it was the visitor who said no.
func (f Failure) Cancelled() bool { return f.Code == "access_denied" }

var failure = New(`{{if .Cancelled}}You were not signed in{{else}}That did not work{{end}}`, `
{{if .Cancelled}}<p>You cancelled, or the server did not let you in. Nothing was passed on.</p>
{{else}}<p>Please try again. If it keeps happening, tell us the code and the id below.</p>{{end}}
<p>Code: <strong id="code">{{.Code}}</strong><br>Id: <strong id="id">{{.ID}}</strong></p>
<p><a class="button" href="/">Back to the start</a></p>
`)

// Fail shows the visitor code and an id, and tells the log what err says.
func Fail(w http.ResponseWriter, r *http.Request, log *slog.Logger, status int, code string, err error) {
	f := Failure{Code: code, ID: rand.Text()[:10]}
	log.LogAttrs(r.Context(), slog.LevelWarn, "request failed",
		slog.String("id", f.ID), slog.String("code", code), slog.Any("reason", err))
	failure.Write(w, status, f)
}
