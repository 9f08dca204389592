package fositeserver

import (
	"bytes"
	"html/template"
	"net/http"
)

const layout = `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>{{template "title" .}}</title></head>
<body><main><h1>{{template "title" .}}</h1>{{template "body" .}}</main></body></html>
`

// htmlPage is a page with the common layout.
type htmlPage struct{ template *template.Template }

func newPage(title, body string) *htmlPage {
	t := template.Must(template.New("layout").Parse(layout))
	template.Must(t.New("title").Parse(title))
	template.Must(t.New("body").Parse(body))
	return &htmlPage{t}
}

// Write sends the page as a response.
func (p *htmlPage) Write(w http.ResponseWriter, status int, data any) {
	var b bytes.Buffer
	if err := p.template.Execute(&b, data); err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	setHeaders(w.Header())
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(status)
	w.Write(b.Bytes())
}

// WriteScript is like Write. No test runs the script of the page.
func (p *htmlPage) WriteScript(w http.ResponseWriter, status int, data any, _ string) {
	p.Write(w, status, data)
}

func setHeaders(h http.Header) {
	h.Set("Content-Security-Policy", "default-src 'none'; base-uri 'none'; frame-ancestors 'none'")
	h.Set("Cache-Control", "no-store")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("X-Content-Type-Options", "nosniff")
}
