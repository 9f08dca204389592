package main

import "github.com/countersign/countersign/examples/internal/page"

// The two parties with pages here. The third one, the server, has its own.
var (
	shop = page.Site{Name: "The print shop", Kind: "web application", Party: page.App}
	api  = page.Site{Name: "The photo album", Kind: "API", Party: page.API}
)

// account is the sign-out button at the end of the name bar.
const account = `{{define "account"}}{{with .User}}<form method="post" action="/logout"><button>Sign out</button></form>{{end}}{{end}}`

// report is the table of the ID token's validation.
const report = `{{define "report"}}<h2>The ID token in 14 steps</h2>
<table id="report">
<caption>The print shop checks this before it signs you in: {{.Summary}}.</caption>
<thead><tr><th scope="col">Step</th><th scope="col">Check</th><th scope="col">Result</th></tr></thead>
<tbody>{{range .Report}}
<tr><th scope="row">{{.Number}}</th><td>{{.Test}}{{with .Reason}} <small>{{.}}</small>{{end}}</td><td>{{state .Result}}</td></tr>{{end}}
</tbody></table>{{end}}`

var homePage = shop.Page(`The print shop`, account+`
{{if .SignedOut}}<p class="notice" role="status" id="signed-out">{{sign "valid"}}You are signed out.</p>{{end}}
<p>We print the photos from your album at another service. That service gives them to us if you allow it.</p>
<p><a class="button" href="/photos">{{if .User}}Show my photos{{else}}Sign in and choose photos{{end}}</a></p>
<h2>Three parties</h2>
<div class="columns three">
<section class="panel app"><h2>{{mark "app"}}Web application</h2><p>The print shop. It signs you in, and it calls the API for you.</p><dl><dt>Address</dt><dd>{{.App}}</dd></dl></section>
<section class="panel server"><h2>{{mark "server"}}Authorization server</h2><p>It has your account. It asks whether you allow the access that the print shop requests.</p><dl><dt>Address</dt><dd>{{.Issuer}}</dd></dl></section>
<section class="panel api"><h2>{{mark "api"}}API</h2><p>The photo album. It sends photos to clients with a valid access token.</p><dl><dt>Address</dt><dd>{{.API}}</dd></dl></section>
</div>
`)

var photosPage = shop.Page(`Hello, {{.Name}}`, account+report+`
{{if .Challenge}}<p class="wrong" id="refused">{{sign "failed"}}The API did not give us your photos. With your own server: the token must be a JWT as in RFC 9068, its aud must be {{.Audience}}, and its scope must include {{.Scope}}.</p>{{end}}
<div class="columns">
<section class="panel server"><h2>{{mark "server"}}Who signed in</h2>
<dl><dt>Account (sub)</dt><dd><strong>{{.User.Subject}}</strong></dd>
<dt>Server (iss)</dt><dd>{{.User.Issuer}}</dd>
{{with .User.Claim "name"}}<dt>Name</dt><dd>{{.}}</dd>{{end}}
{{with .User.Claim "email"}}<dt>Email address</dt><dd>{{.}}</dd>{{end}}
<dt>Signed in at</dt><dd>{{.User.SignedIn.Format "15:04:05"}}</dd></dl></section>
<section class="panel api"><h2>{{mark "api"}}Response of the API</h2>
<pre id="answer" tabindex="0">{{.Answer}}</pre></section>
</div>
{{template "report" .}}
<h2>The path in seven steps</h2>
<ol class="path" id="path">{{range .Path}}
<li><span class="party {{.Party}}">{{.Who}}</span> <span>{{.Text}}</span></li>{{end}}
</ol>
`)

// words are the title and the text of the page about a problem.
type words struct{ Title, Text string }

// apiDown is for a call without an answer.
var apiDown = words{"The photo album does not respond", "You are signed in, but the API did not answer. Try again in a moment."}

// problems are the words for the codes of the login.
var problems = map[string]words{
	"login_failed":            {"The sign-in failed", "The response of the server does not match this sign-in. Sign in again."},
	"login_required":          {"You were not signed in", "The server requires that you sign in or consent there. Sign in again."},
	"another_user":            {"Another user signed in", "You are still signed in as before."},
	"access_denied":           {"You were not signed in", "You cancelled the sign-in, or the server denied access. The print shop received nothing."},
	"login_unknown":           {"This sign-in is not valid here", "It was already finished, it began in another browser, or your browser blocks cookies. Sign in again."},
	"login_expired":           {"The sign-in took too long", "Finish a sign-in within ten minutes. Please sign in again."},
	"configuration_error":     {"The sign-in is not set up correctly", "Trying again does not help. The reason below says what to change."},
	"temporarily_unavailable": {"Temporarily not available", "The server does not respond. Try again in a moment."},
	"session_lost":            {"Your browser does not keep you signed in", "You signed in, but your browser did not keep the cookie of this site. Allow cookies for this site, then sign in again."},
	"invalid_request":         {"This link does not work", "The address is incomplete or not meant for this page."},
	"method_not_allowed":      {"This link does not work", "The page cannot be opened in this way. Use the button of the print shop."},
	"logout_failed":           {"You are signed out here", "The response of the server does not match a sign-out of this browser. You may still be signed in at the server."},
	"cross_origin":            {"The request was rejected", "It came from another site. Open this site directly, and try again there."},
}

var problemPage = shop.Page(`{{.Says.Title}}`, account+report+`
<p>{{.Says.Text}}</p>
{{with .Problem.Reason}}<p class="wrong">{{sign "failed"}}Reason: <code id="reason">{{.}}</code></p>{{end}}
<p>{{with .Problem.Retry}}<a class="button" href="{{.}}">{{$.Again}}</a>{{else}}<a class="button" href="/">Back to the start</a>{{end}}</p>
<p class="quiet">Code <strong id="code">{{.Problem.Code}}</strong>, reference <strong id="id">{{.Problem.ID}}</strong> in the log.</p>
{{with .Report}}{{template "report" $}}{{end}}`)

const notFound = `<p>There is nothing at <code>{{.}}</code>.</p>
<p><a class="button" href="/">Back to the start</a></p>`

var (
	shopNotFound = shop.Page(`Page not found`, notFound)
	apiNotFound  = api.Page(`Page not found`, notFound)
)

var apiPage = api.Page(`The photo album`, `
<p>This is an API. It has no pages for users.</p>
<p><code>GET {{.}}/photos</code> needs an access token with the scope <code>`+apiScope+`</code>.</p>
`)
