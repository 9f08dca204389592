package interop

import (
	"bytes"
	"encoding/json"
	"fmt"
	"html/template"
	"io"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strings"
)

// hydraLoginURL is the URL that ory/hydra redirects users to for login, consent and logout.
// hydra has no pages itself; hydraLogin is the application behind this URL.
const hydraLoginURL = "https://login.example"

// hydraAdmin returns the address of hydra's API for that application and for operators.
func hydraAdmin() string { return os.Getenv("COUNTERSIGN_INTEROP_HYDRA_ADMIN") }

// hydraRequest is hydra's data about a login, consent or logout.
type hydraRequest struct {
	Skip    bool     `json:"skip"`
	Subject string   `json:"subject"`
	Scopes  []string `json:"requested_scope"`
	ACR     string   `json:"acr"`
	Client  struct {
		Audience []string `json:"audience"`
	} `json:"client"`
	OIDC struct {
		ACRValues []string `json:"acr_values"`
	} `json:"oidc_context"`
}

// hydraLogin is the login and consent application.
func hydraLogin() http.Handler {
	mux := http.NewServeMux()
	for _, kind := range []string{"login", "consent", "logout"} {
		mux.HandleFunc("/"+kind, func(w http.ResponseWriter, r *http.Request) {
			if err := hydraDecide(w, r, kind); err != nil {
				http.Error(w, err.Error(), http.StatusBadGateway)
			}
		})
	}
	return mux
}

// hydraDecide shows the user a form, or sends the user back to hydra with the decision.
func hydraDecide(w http.ResponseWriter, r *http.Request, kind string) error {
	challenge := r.FormValue(kind + "_challenge")
	var asked hydraRequest
	if err := askHydra(http.MethodGet, kind, "", challenge, nil, &asked); err != nil {
		return err
	}
	if r.Method == http.MethodGet && !asked.Skip && kind != "logout" {
		return hydraPages.Execute(w, map[string]string{"Kind": kind, "Challenge": challenge})
	}
	verdict, body := "accept", map[string]any(nil)
	switch {
	case r.PostFormValue("cancel") != "":
		verdict, body = "reject", map[string]any{"error": "access_denied", "error_description": "the user says no"}
	case kind == "login":
		body = asked.login()
	case kind == "consent":
		body = asked.consent()
	}
	var next struct {
		RedirectTo string `json:"redirect_to"`
	}
	if err := askHydra(http.MethodPut, kind, "/"+verdict, challenge, body, &next); err != nil {
		return err
	}
	http.Redirect(w, r, next.RedirectTo, http.StatusSeeOther)
	return nil
}

var hydraPages = template.Must(template.New("").Parse(`<form method="post" action="/{{.Kind}}">
<input type="hidden" name="{{.Kind}}_challenge" value="{{.Challenge}}">
{{if eq .Kind "login"}}<input type="password" name="password"><button type="submit" name="login" value="1">Sign in</button>
{{else}}<button type="submit" name="accept" value="1">Allow</button><button type="submit" name="cancel" value="1">Cancel</button>{{end}}
</form>`))

// login returns the user's login with the highest authentication class that this application
// supports.
func (a *hydraRequest) login() map[string]any {
	out := map[string]any{"subject": user, "remember": true, "remember_for": 3600, "acr": ""}
	if len(a.OIDC.ACRValues) > 0 {
		out["acr"] = "silver"
	}
	if slices.Contains(a.OIDC.ACRValues, "gold") {
		out["acr"] = "gold"
	}
	return out
}

// consent grants what was requested. With the scope printer the token is for
// another API. A client that a test registers has no API.
func (a *hydraRequest) consent() map[string]any {
	audience, idToken := []string{apiID}, map[string]any{}
	if slices.Contains(a.Scopes, "printer") {
		audience = []string{printerID}
	}
	if len(a.Client.Audience) == 0 {
		audience = nil
	}
	if slices.Contains(a.Scopes, "email") {
		idToken["email"] = user + "@example.com"
	}
	return map[string]any{
		"grant_scope": a.Scopes, "grant_access_token_audience": audience, "remember": true, "remember_for": 3600,
		"session": map[string]any{"id_token": idToken, "access_token": map[string]any{"acr": a.ACR}},
	}
}

// askHydra fetches a user's request, or sends the decision about it.
func askHydra(method, kind, verdict, challenge string, body, into any) error {
	query := url.Values{kind + "_challenge": {challenge}}
	return callHydra(method, "/admin/oauth2/auth/requests/"+kind+verdict+"?"+query.Encode(), body, into)
}

// callHydra calls the admin interface.
func callHydra(method, path string, body, into any) error {
	var content io.Reader
	if body != nil {
		raw, err := json.Marshal(body)
		if err != nil {
			return err
		}
		content = bytes.NewReader(raw)
	}
	r, err := http.NewRequest(method, hydraAdmin()+path, content)
	if err != nil {
		return err
	}
	r.Header.Set("Content-Type", "application/json")
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	if err != nil {
		return err
	}
	if resp.StatusCode/100 != 2 {
		return fmt.Errorf("hydra: %s %s: %s: %s", method, strings.SplitN(path, "?", 2)[0], resp.Status, answer)
	}
	if into == nil {
		return nil
	}
	return json.Unmarshal(answer, into)
}
