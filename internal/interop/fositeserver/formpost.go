package fositeserver

import (
	"html/template"
	"net/http"
	"net/url"

	"github.com/ory/fosite"
)

// respond sends the browser back to the client, RFC 6749 §4.1.2. It uses a redirect, or a
// form if the client requested that (OAuth 2.0 Form Post Response Mode).
func (s *Server) respond(w http.ResponseWriter, r *http.Request, ar fosite.AuthorizeRequester, q url.Values) {
	to := *ar.GetRedirectURI()
	if ar.GetResponseMode() == fosite.ResponseModeFormPost {
		formPost.WriteScript(w, http.StatusOK, map[string]any{"To": template.URL(to.String()), "Fields": q}, submit) // To is a registered URL
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

// submit is the only script of the page. Without scripts the user presses the button.
const submit = "document.forms[0].submit()"

var formPost = newPage(`Back to the application`, `
<form method="post" action="{{.To}}">
{{range $name, $values := .Fields}}{{range $values}}<input type="hidden" name="{{$name}}" value="{{.}}">
{{end}}{{end}}<button>Go on</button>
</form>
<script>`+submit+`</script>
`)
