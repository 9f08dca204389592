package page

import (
	"encoding/base64"
	"html/template"
	"io"
	"net/http"
)

// Party is one of the three parties of a login. Each has a color and a sign.
type Party string

// The parties, with the names of their classes in the style sheet.
const (
	App    Party = "app"
	Server Party = "server"
	API    Party = "api"
)

// signs are the insides of an SVG of 24 by 24.
var signs = map[Party]string{
	App:    `<path d="M7 9V4h10v5M7 17H4v-8h16v8h-3M7 14h10v7H7z"/>`,
	Server: `<rect x="4" y="11" width="16" height="10" rx="2"/><path d="M8 11V8a4 4 0 0 1 8 0v3"/>`,
	API:    `<rect x="3" y="4" width="18" height="16" rx="2"/><path d="M3 17l6-6 5 5 3-3 4 4"/>`,
}

var colors = map[Party]string{App: "#0a5f58", Server: "#3a389b", API: "#8f4600"}

func (p Party) mark() template.HTML {
	return template.HTML(`<svg viewBox="0 0 24 24" aria-hidden="true">` + signs[p] + `</svg>`)
}

// icon is the party's favicon.
func (p Party) icon() string {
	return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 32 32"><rect width="32" height="32" rx="7" fill="` + colors[p] +
		`"/><g transform="translate(4 4)" fill="none" stroke="#fff" stroke-width="2" stroke-linecap="round" stroke-linejoin="round">` + signs[p] + `</g></svg>`
}

// address returns the icon as a data URL, so that a page needs no other request.
func (p Party) address() template.URL {
	return template.URL("data:image/svg+xml;base64," + base64.StdEncoding.EncodeToString([]byte(p.icon())))
}

// Icon is for /favicon.ico: browsers request it for responses without a page.
func (p Party) Icon() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		SetHeaders(w.Header())
		w.Header().Set("Content-Type", "image/svg+xml")
		w.Header().Set("Cache-Control", "max-age=3600")
		io.WriteString(w, p.icon())
	})
}

// states are how the result of a check looks: a class, and the inside of an SVG of 16 by 16.
var states = map[string][2]string{
	"valid":          {"valid", `<path d="M3 8.5l3.5 3.5L13 4.5"/>`},
	"not applicable": {"none", `<path d="M3 8h10"/>`},
	"not checked":    {"none", `<path d="M3 8h10"/>`},
	"skipped":        {"skipped", `<path d="M3 4l5 4-5 4zM12 4v8"/>`},
	"failed":         {"failed", `<path d="M4 4l8 8M12 4l-8 8"/>`},
}

// stateMark shows a result by color, sign and text. An unknown result looks like a failure.
func stateMark(result string) template.HTML {
	if _, ok := states[result]; !ok {
		result = "failed"
	}
	return template.HTML(`<span class="state `+states[result][0]+`">`) + sign(result) + template.HTML(` `+result+`</span>`)
}

// sign is the sign of a result without its text.
func sign(result string) template.HTML {
	return template.HTML(`<svg viewBox="0 0 16 16" aria-hidden="true">` + states[result][1] + `</svg>`)
}
