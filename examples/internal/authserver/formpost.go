package authserver

import (
	"crypto/sha256"
	"encoding/base64"
	"html/template"
	"net/http"
	"net/url"

	"github.com/ory/fosite"

	"github.com/countersign/countersign/examples/internal/page"
)

// respond sends the browser back, RFC 6749 §4.1.2: by the address, or by a form where the
// client asked for that (OAuth 2.0 Form Post Response Mode).
func (s *Server) respond(w http.ResponseWriter, r *http.Request, ar fosite.AuthorizeRequester, q url.Values) {
	page.SetHeaders(w.Header())
	if ar.GetResponseMode() != fosite.ResponseModeFormPost {
		back := *ar.GetRedirectURI()
		all := back.Query()
		for name, values := range q {
			all[name] = values
		}
		back.RawQuery = all.Encode()
		http.Redirect(w, r, back.String(), http.StatusSeeOther)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Content-Security-Policy", "default-src 'none'; base-uri 'none'; frame-ancestors 'none'; script-src 'sha256-"+submitHash+"'")
	formPost.Execute(w, map[string]any{"To": template.URL(ar.GetRedirectURI().String()), "Fields": q, "Script": template.JS(submit)}) // registered by the operator
}

// submit is all that the page runs. Without scripts there is the button.
const submit = "document.forms[0].submit()"

var submitHash = func() string {
	sum := sha256.Sum256([]byte(submit))
	return base64.StdEncoding.EncodeToString(sum[:])
}()

var formPost = template.Must(template.New("").Parse(`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Back to the application</title>
</head>
<body>
<form method="post" action="{{.To}}">
{{range $name, $values := .Fields}}{{range $values}}<input type="hidden" name="{{$name}}" value="{{.}}">
{{end}}{{end}}<button>Back to the application</button>
</form>
<script>{{.Script}}</script>
</body>
</html>
`))
