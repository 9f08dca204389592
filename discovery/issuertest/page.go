package issuertest

import (
	"html/template"
	"net/http"
	"net/url"
	"time"
)

const pageHead = `<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>{{template "title" .}}</title><style>
body{font:1rem/1.5 system-ui,sans-serif;max-width:30rem;margin:3rem auto;padding:0 1rem;color:#1b1b1b;background:#fff}
button{font:inherit;display:block;width:100%;min-height:2.75rem;margin:.5rem 0;padding:.5rem 1rem;text-align:left;border:1px solid #767676;border-radius:.4rem;background:#f4f6fb;color:#1b1b1b;cursor:pointer}
button:focus-visible{outline:3px solid #1a4fd6;outline-offset:2px}
small{color:#555}.quiet{background:none}
@media(prefers-color-scheme:dark){body{color:#eee;background:#16181d}button{background:#242936;color:#eee}small{color:#aaa}.quiet{background:none}}
</style></head><body><main><h1>{{template "title" .}}</h1>
`

func newPage(title, body string) *template.Template {
	t := template.Must(template.New("page").Parse(pageHead + body + "\n</main></body></html>\n"))
	return template.Must(t.New("title").Parse(title)).Lookup("page")
}

var errorPage = newPage(`This request cannot be answered`, `<p role="alert">{{.}}</p>`)

var signInPage = newPage(`Sign in`, `<p><strong>{{.Client}}</strong> asks for: {{.Scope}}</p>
<form method="post" action="{{.Action}}"><input type="hidden" name="id" value="{{.ID}}">
<p>Continue as</p>
{{range .Users}}<button name="user" value="{{.Subject}}">{{.Name}} <small>{{.Subject}}</small></button>
{{end}}<button name="action" value="cancel" class="quiet">Cancel</button></form>
<p><small>This is a development server. It asks for no password.</small></p>`)

var usedPage = newPage(`This page was used`, `<p>The page was sent before, or it was open for more than ten minutes. Go back to the application and start again.</p>`)

var donePage = newPage(`{{.}}`, `<p>You can close this page.</p>`)

func showPage(w http.ResponseWriter, status int, t *template.Template, data any) {
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Cache-Control", "no-store")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("X-Content-Type-Options", "nosniff")
	if t != formPost {
		h.Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; frame-src http: https:; frame-ancestors 'none'; base-uri 'none'")
	}
	w.WriteHeader(status)
	t.Execute(w, data)
}

type choice struct{ Name, Subject string }

func (i *Issuer) choices() (list []choice) {
	for n := range i.config.Users {
		list = append(list, choice{i.config.Users[n].name(), i.config.Users[n].Subject})
	}
	return list
}

// ask shows the page with the choice of users.
func (i *Issuer) ask(w http.ResponseWriter, c *Client, q url.Values) {
	id := secret()
	i.state.waiting.put(id, &waiting{client: c, request: q}, i.Now().Add(10*time.Minute))
	showPage(w, http.StatusOK, signInPage, map[string]any{
		"Client": c.name(), "Scope": or(q.Get("scope"), "nothing"), "ID": id, "Users": i.choices(), "Action": i.path + string(SignInPage),
	})
}

// signedIn takes the choice. The id in the page stands for one authorization request, once.
func (i *Issuer) signedIn(w http.ResponseWriter, r *http.Request) {
	i.mu.Lock()
	defer i.mu.Unlock()
	waits, ok := i.state.waiting.take(r.PostFormValue("id"), i.Now())
	if !ok {
		showPage(w, http.StatusBadRequest, usedPage, nil)
		return
	}
	user := i.user(r.PostFormValue("user"))
	if user == nil || r.PostFormValue("action") == "cancel" {
		i.respond(w, waits.client, waits.request, failure(refuse("access_denied", "the user cancelled")))
		return
	}
	s, id := i.begin(w, user)
	i.allow(w, waits.client, waits.request, s, id)
}
