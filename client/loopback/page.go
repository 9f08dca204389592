package loopback

import (
	"errors"
	"html"
	"net/http"

	"github.com/countersign/countersign/client"
	"github.com/countersign/countersign/internal/htmlpage"
)

const style = `
:root { color-scheme: light dark; }
body { margin: 0 auto; max-width: 36rem; padding: 2rem 1rem; font: 1.125rem/1.5 system-ui, sans-serif; overflow-wrap: anywhere; }
h1 { font-size: 1.5rem; line-height: 1.25; }
`

var layout = htmlpage.New(style)

// page is what the browser shows at the end. For an error it contains only the code.
type page struct{ Title, Text, Code string }

var (
	signedIn  = page{Title: "You are signed in", Text: "You can close this window and go back to the program."}
	cancelled = page{Title: "You were not signed in", Text: "You cancelled the sign-in, or the server denied access. You can close this window and go back to the program."}
	refusal   = page{Title: "This is not the expected response", Text: "A program on this computer waits for the response to a sign-in. This request is not that response. You can close this window."}
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
	return page{"The sign-in failed", "You can close this window. The program shows the reason. Start the sign-in there again.", e.Code}
}

// html returns the page. Everything that is not constant is escaped.
func (p page) html() []byte {
	code := ""
	if p.Code != "" {
		code = "<p>Code: <strong>" + html.EscapeString(p.Code) + "</strong></p>\n"
	}
	return layout.HTML(p.Title, p.Text, code)
}

func (p page) write(w http.ResponseWriter, status int) { layout.Write(w, status, p.html()) }
