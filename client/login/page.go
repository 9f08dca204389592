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

// words are what the page says.
type words struct{ Title, Text string }

var texts = map[string]words{
	CodeDenied:        {"You are not signed in", "The sign-in was cancelled, or you are not allowed to sign in here."},
	CodeSignIn:        {"Please sign in", "This page is for visitors who are signed in."},
	CodeFailed:        {"The sign-in did not work", "Something went wrong between this site and the one where you sign in. Try once more."},
	CodeConfiguration: {"The sign-in is not set up correctly", "Trying again does not help. Please tell the site's support."},
	CodeAnotherUser:   {"Another user signed in", "This page asked for you to sign in again, and another user did. You are still signed in as before."},
	CodeLimited:       {"Too many sign-ins just now", "Wait a moment, then try again."},
	CodeExpired:       {"That took too long", "A sign-in has to be finished within ten minutes. Nothing is lost: begin again."},
	CodeUnknown:       {"This sign-in is not under way", "It was finished before, or begun in another browser, or your browser keeps no cookies. This site needs cookies to sign you in: allow them, then begin again."},
	CodeLost:          {"Your browser does not keep you signed in", "You signed in, but the cookie that says so did not come back. Allow cookies for this site, then begin again."},
	CodeTooLarge:      {"The sign-in did not work", "More was to be remembered about you than a browser can keep. Please tell the site's support."},
	CodeUnavailable:   {"Not available just now", "A part of this site, or the one where you sign in, does not answer. Try again in a moment."},
	CodeRequest:       {"This link does not work", "The address is incomplete or not meant for this page."},
	CodeMethod:        {"This link does not work", "The page cannot be opened in this way."},
	CodeCrossOrigin:   {"This was not done", "The request came from another site. Go to the page itself, and try there."},
	CodeDevice:        {"Your browser cannot open this page", "This page needs a browser that binds your sign-in to your device, such as a current Chrome. Sign in again, or use another browser."},
	CodeLogout:        {"You are signed out here", "The answer of the site where you sign in was not for this browser. You may still be signed in there."},
}

// render returns the page. It escapes everything that is not constant.
func render(p Problem, says words) []byte {
	return layout.HTML(says.Title, says.Text, reasonText(p.Reason)+retryLink(p.Retry)+
		`<p class="quiet">Code <strong id="code">`+html.EscapeString(p.Code)+`</strong>, reference <strong id="reference">`+html.EscapeString(p.ID)+
		"</strong>. Give this reference to the site's support.</p>\n")
}

// reasonText is for development.
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
