package login

import (
	"html"
	"net/http"

	"github.com/countersign/countersign/internal/htmlpage"
)

const style = `
:root { color-scheme: light dark; --text: #1b1b1f; --page: #fff; --link: #0b57d0; --on-link: #fff; --quiet: #4a4c57; }
@media (prefers-color-scheme: dark) { :root { --text: #e4e4ea; --page: #17171b; --link: #a8c7fa; --on-link: #0b1a33; --quiet: #b6b8c4; } }
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 40rem; padding: 1rem; font: 1rem/1.5 system-ui, sans-serif; color: var(--text); background: var(--page); overflow-wrap: anywhere; }
h1 { font-size: 1.5rem; line-height: 1.25; }
a.button { display: inline-block; margin: .5rem 0; padding: .5rem 1rem; color: var(--on-link); background: var(--link); border-radius: .25rem; text-decoration: none; }
a:focus-visible { outline: 3px solid var(--link); outline-offset: 2px; }
.quiet { color: var(--quiet); font-size: .875rem; }
`

var layout = htmlpage.New(style)

// words are the heading and the text of the page for each code.
type words struct{ Title, Text string }

var texts = map[string]words{
	CodeDenied:        {"You are not signed in", "You cancelled the sign-in, or you are not allowed to sign in here."},
	CodeSignIn:        {"Please sign in", "You must be signed in to see this page."},
	CodeFailed:        {"The sign-in failed", "An error occurred while you were signing in. Try again."},
	CodeConfiguration: {"The sign-in is not set up correctly", "Trying again does not help. Please contact the site's support."},
	CodeAnotherUser:   {"Another user signed in", "This page asked you to sign in again, but another user signed in. You are still signed in as before."},
	CodeLimited:       {"Too many sign-ins", "Wait a moment, then try again."},
	CodeExpired:       {"The sign-in took too long", "Finish a sign-in within ten minutes. Please sign in again."},
	CodeUnknown:       {"This sign-in is not valid here", "It was already finished, it began in another browser, or your browser blocks cookies. Allow cookies for this site, then sign in again."},
	CodeLost:          {"Your browser does not keep you signed in", "You signed in, but your browser did not keep the cookie of this site. Allow cookies for this site, then sign in again."},
	CodeTooLarge:      {"The sign-in failed", "Your account has too much data for a browser cookie. Please contact the site's support."},
	CodeUnavailable:   {"Temporarily not available", "This site or the sign-in server does not respond. Try again in a moment."},
	CodeRequest:       {"This link does not work", "The address is incomplete or not meant for this page."},
	CodeMethod:        {"This link does not work", "The page cannot be opened in this way."},
	CodeCrossOrigin:   {"The request was rejected", "It came from another site. Open this site directly, and try again there."},
	CodeDevice:        {"Your browser cannot open this page", "This page requires a browser that binds your sign-in to your device, such as a current Chrome. Sign in again, or use another browser."},
	CodeLogout:        {"You are signed out here", "The response of the sign-in server was not for this browser. You may still be signed in at that server."},
}

// render returns the page. It escapes everything that is not constant.
func render(p Problem, says words) []byte {
	return layout.HTML(says.Title, says.Text, reasonText(p.Reason)+retryLink(p.Retry)+
		`<p class="quiet">Code <strong id="code">`+html.EscapeString(p.Code)+`</strong>, reference <strong id="reference">`+html.EscapeString(p.ID)+
		"</strong>. Give this reference to the site's support.</p>\n")
}

// reasonText returns the part of the page with the reason. It is "" unless Config.InsecureHTTP is
// set.
func reasonText(reason string) string {
	if reason == "" {
		return ""
	}
	return `<p>Reason, shown because Config.InsecureHTTP is true: <code id="reason">` + html.EscapeString(reason) + "</code></p>\n"
}

// retryLink returns the link to sign in again. Escaping does not make a URL safe in an href
// (javascript:), so only a path of this site becomes a link.
func retryLink(to string) string {
	if !isSitePath(to) {
		return ""
	}
	return `<p><a class="button" href="` + html.EscapeString(to) + `">Sign in</a></p>` + "\n"
}

func writePage(w http.ResponseWriter, p Problem) {
	layout.Write(w, p.Status, render(p, texts[p.Code]))
}
