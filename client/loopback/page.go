package loopback

import (
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"html"
	"net/http"
	"strconv"

	"github.com/countersign/countersign/client"
)

const style = `
:root { color-scheme: light dark; }
body { margin: 0 auto; max-width: 36rem; padding: 2rem 1rem; font: 1.125rem/1.5 system-ui, sans-serif; overflow-wrap: anywhere; }
h1 { font-size: 1.5rem; line-height: 1.25; }
`

// layout is the page. Its verbs are, in order: title, heading, text, code.
const layout = `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>%s</title>
<style>` + style + `</style>
</head>
<body>
<main>
<h1>%s</h1>
<p>%s</p>
%s</main>
</body>
</html>
`

// page is what the browser shows at the end. Of an error it has the code only.
type page struct{ Title, Text, Code string }

var (
	signedIn  = page{Title: "You are signed in", Text: "You can close this window and go back to the program."}
	cancelled = page{Title: "You were not signed in", Text: "You cancelled, or the server did not let you in. You can close this window and go back to the program."}
	refusal   = page{Title: "This was not expected", Text: "A program on this machine waits for the response to a sign-in. This request is not that response. You can close this window."}
)

func pageFor(err error) page {
	var e *client.Error
	switch {
	case err == nil:
		return signedIn
	case errors.As(err, &e) && e.Code == "access_denied":
		return cancelled
	case e == nil:
		e = &client.Error{Code: "login_failed"}
	}
	return page{"That did not work", "You can close this window. The program knows more, and can try again.", e.Code}
}

// policy lets the page load and run nothing. Its style sheet is named by its hash.
var policy = "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; style-src 'sha256-" + hash(style) + "'"

func hash(s string) string {
	sum := sha256.Sum256([]byte(s))
	return base64.StdEncoding.EncodeToString(sum[:])
}

// html returns the page. Everything that is not constant is escaped.
func (p page) html() []byte {
	title, code := html.EscapeString(p.Title), ""
	if p.Code != "" {
		code = "<p>Code: <strong>" + html.EscapeString(p.Code) + "</strong></p>\n"
	}
	return fmt.Appendf(nil, layout, title, title, html.EscapeString(p.Text), code)
}

// write sends the page. Its URL contains a code, and must not be cached or sent as Referer.
func (p page) write(w http.ResponseWriter, status int) {
	body := p.html()
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Length", strconv.Itoa(len(body)))
	h.Set("Content-Security-Policy", policy)
	h.Set("Cache-Control", "no-store")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(status)
	w.Write(body)
}
