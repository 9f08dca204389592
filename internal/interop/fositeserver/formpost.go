package fositeserver

import (
	"html/template"
	"net/http"
	"net/url"

	"github.com/ory/fosite"
)

// respond sends the browser back, RFC 6749 §4.1.2: by the address, or by a form where the
// client asked for that (OAuth 2.0 Form Post Response Mode).
func (s *Server) respond(w http.ResponseWriter, r *http.Request, ar fosite.AuthorizeRequester, q url.Values) {
	to := *ar.GetRedirectURI()
	if ar.GetResponseMode() == fosite.ResponseModeFormPost {
		formPost.WriteScript(w, http.StatusOK, map[string]any{"To": template.URL(to.String()), "Fields": q}, submit) // To was registered
		return
	}
	all := to.Query()
	for name, values := range q {
		all[name] = values
	}
	to.RawQuery = all.Encode()
	setHeaders(w.Header())
	http.Redirect(w, r, to.String(), http.StatusSeeOther)
}

// submit is all that the page runs. Without scripts there is the button.
const submit = "document.forms[0].submit()"

var formPost = newPage(`Back to the application`, `
<form method="post" action="{{.To}}">
{{range $name, $values := .Fields}}{{range $values}}<input type="hidden" name="{{$name}}" value="{{.}}">
{{end}}{{end}}<button>Go on</button>
</form>
<script>`+submit+`</script>
`)
