package issuertest

import (
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"html/template"
	"net/http"
	"net/url"
	"strings"
	"time"
)

//go:embed page.css
var style string

// icon is embedded in the page, so that browsers do not request /favicon.ico.
const icon = `data:image/svg+xml,%3Csvg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 32 32'%3E%3Crect width='32' height='32' rx='7' fill='%233a389b'/%3E%3Cg fill='none' stroke='white' stroke-width='3'%3E%3Crect x='8' y='14' width='16' height='11' rx='2'/%3E%3Cpath d='M11 14v-3a5 5 0 0 1 10 0v3'/%3E%3C/g%3E%3C/svg%3E`

const layout = `<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>{{template "title" .Data}}</title><link rel="icon" href="{{icon}}"><style>{{style}}</style></head>
<body><header><div><strong><svg viewBox="0 0 24 24" aria-hidden="true" fill="none" stroke="currentColor" stroke-width="2"><rect x="4" y="11" width="16" height="10" rx="2"/><path d="M8 11V8a4 4 0 0 1 8 0v3"/></svg>Authorization server</strong><span>{{.Issuer}}</span></div></header>
<main><h1>{{template "title" .Data}}</h1>
{{template "body" .Data}}
</main></body></html>
`

func newPage(title, body string) *template.Template {
	t := template.Must(template.New("page").Funcs(template.FuncMap{
		"style": func() template.CSS { return template.CSS(style) },
		"icon":  func() template.URL { return icon },
	}).Parse(layout))
	template.Must(t.New("title").Parse(title))
	template.Must(t.New("body").Parse(body))
	return t
}

const developmentNote = `<p><small>This is a development server. It asks for no password.</small></p>`

// wrongSign is in front of an error, so that color is not the only sign.
const wrongSign = `<svg viewBox="0 0 16 16" aria-hidden="true" fill="none" stroke="currentColor" stroke-width="2"><path d="M4 4l8 8M12 4l-8 8"/></svg>`

var errorPage = newPage(`This request cannot be answered`, `<p role="alert">`+wrongSign+`{{.}}</p>`)

var notFoundPage = newPage(`Page not found`, `<p>This server has no page at <code>{{.Path}}</code>. A user comes here from an application that signs them in.</p>
<p>An application finds every address in the <a href="{{.Metadata}}">metadata</a>.</p>`)

var signInPage = newPage(`Sign in`, `<p><strong>{{.Client}}</strong> wants to know who you are. Continue as:</p>
<form method="post" action="{{.Action}}"><input type="hidden" name="id" value="{{.ID}}">
{{range .Users}}<button name="user" value="{{.Subject}}" class="user">{{.Name}} <small>Account {{.Subject}}</small></button>
{{end}}<button name="action" value="cancel" class="quiet">Cancel</button></form>
`+developmentNote)

var consentPage = newPage(`Allow access?`, `<p>You are signed in as <strong>{{.User}}</strong>. {{if .Scopes}}If you allow it, <strong>{{.Client}}</strong> can:</p>
<ul>{{range .Scopes}}<li>{{.Text}} <small>Scope <code>{{.Name}}</code></small></li>{{end}}</ul>{{else}}<strong>{{.Client}}</strong> asks for no scope.</p>{{end}}
<form method="post" action="{{.Action}}"><input type="hidden" name="id" value="{{.ID}}">
<button name="action" value="allow">Allow</button><button name="action" value="cancel" class="quiet">Do not allow</button></form>
<p><small>You then return to {{.Return}}.</small></p>`)

var usedPage = newPage(`This page was used`, `<p>The page was sent before, or it was open for more than ten minutes. Go back to the application and start again.</p>`)

var donePage = newPage(`{{.}}`, `<p>You can close this page.</p>`)

var styleHash = sha256.Sum256([]byte(style))

var policy = "default-src 'none'; img-src data:; style-src 'sha256-" + base64.StdEncoding.EncodeToString(styleHash[:]) +
	"'; frame-src http: https:; frame-ancestors 'none'; base-uri 'none'"

func (i *Issuer) showPage(w http.ResponseWriter, status int, t *template.Template, data any) {
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Cache-Control", "no-store")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("X-Content-Type-Options", "nosniff")
	if t != formPost {
		h.Set("Content-Security-Policy", policy)
	}
	w.WriteHeader(status)
	t.Execute(w, map[string]any{"Issuer": i.URL, "Data": data})
}

// notFound responds to browsers with a page.
func (i *Issuer) notFound(w http.ResponseWriter, r *http.Request) {
	if !strings.Contains(r.Header.Get("Accept"), "text/html") {
		w.WriteHeader(http.StatusNotFound)
		return
	}
	i.showPage(w, http.StatusNotFound, notFoundPage, map[string]any{"Path": r.URL.Path, "Metadata": i.path + string(OpenIDMetadata)})
}

type choice struct{ Name, Subject string }

func (i *Issuer) choices() (list []choice) {
	for n := range i.config.Users {
		list = append(list, choice{i.config.Users[n].name(), i.config.Users[n].Subject})
	}
	return list
}

// ask shows the page to select a user.
func (i *Issuer) ask(w http.ResponseWriter, c *Client, q url.Values) {
	i.showPage(w, http.StatusOK, signInPage, map[string]any{
		"Client": c.name(), "ID": i.wait(&waiting{client: c, request: q}), "Users": i.choices(), "Action": i.path + string(SignInPage),
	})
}

// wait stores a request until the user has answered a page, and returns the id for the page.
func (i *Issuer) wait(waits *waiting) (id string) {
	id = newID()
	i.state.waiting.put(id, waits, i.Now().Add(10*time.Minute))
	return id
}

// signedIn accepts the selected user and shows the page for consent. The id in the page identifies
// one authorization request and can be used once.
func (i *Issuer) signedIn(w http.ResponseWriter, r *http.Request) {
	i.mu.Lock()
	defer i.mu.Unlock()
	waits, ok := i.state.waiting.take(r.PostFormValue("id"), i.Now())
	if !ok || waits.session != nil {
		i.showPage(w, http.StatusBadRequest, usedPage, nil)
		return
	}
	user := i.user(r.PostFormValue("user"))
	if user == nil || r.PostFormValue("action") == "cancel" {
		i.respond(w, waits.client, waits.request, failure(refuse("access_denied", "the user cancelled")))
		return
	}
	s, sid := i.begin(w, user)
	id := i.wait(&waiting{client: waits.client, request: waits.request, session: s, sid: sid})
	w.Header().Set("Location", i.URL+string(ConsentPage)+"?id="+id)
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(http.StatusSeeOther)
}

// consent shows the consent page and accepts its answer once.
func (i *Issuer) consent(w http.ResponseWriter, r *http.Request) {
	i.mu.Lock()
	defer i.mu.Unlock()
	id := r.FormValue("id")
	waits, ok := i.state.waiting.get(id, i.Now())
	if !ok || waits.session == nil {
		i.showPage(w, http.StatusBadRequest, usedPage, nil)
		return
	}
	if r.Method != http.MethodPost {
		i.askConsent(w, waits, id)
		return
	}
	i.state.waiting.take(id, i.Now())
	if r.PostFormValue("action") != "allow" {
		i.respond(w, waits.client, waits.request, failure(refuse("access_denied", "the user did not consent")))
		return
	}
	i.allow(w, waits.client, waits.request, waits.session, waits.sid)
}

// askConsent shows the page with the scopes that the client requests.
func (i *Issuer) askConsent(w http.ResponseWriter, waits *waiting, id string) {
	i.showPage(w, http.StatusOK, consentPage, map[string]any{
		"Client": waits.client.name(), "User": waits.session.user.name(), "Scopes": i.wishes(waits.request.Get("scope")),
		"ID": id, "Action": i.path + string(ConsentPage), "Return": i.returnHost(waits),
	})
}

// returnHost is the host that the browser is redirected to after consent.
func (i *Issuer) returnHost(waits *waiting) string {
	redirect := i.redirectOf(waits.client, waits.request)
	if u, err := url.Parse(redirect); err == nil && u.Host != "" {
		return u.Host
	}
	return redirect
}

// wish is a scope with its description for the user.
type wish struct{ Name, Text string }

// scopeTexts describe the scopes of OpenID Connect Core §5.4 and §11.
var scopeTexts = map[string]string{
	"openid": "Recognize your account", "profile": "See your name and your profile", "email": "See your email address",
	"address": "See your postal address", "phone": "See your phone number", "offline_access": "Keep this access while you are away",
}

func (i *Issuer) wishes(scope string) (list []wish) {
	for _, name := range strings.Fields(scope) {
		text := or(i.config.ScopeTexts[name], or(scopeTexts[name], "Use what this scope allows"))
		list = append(list, wish{name, text})
	}
	return list
}
