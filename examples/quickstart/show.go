package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"golang.org/x/oauth2"

	"github.com/countersign/countersign/examples/internal/page"
	"github.com/countersign/countersign/examples/internal/session"
	"github.com/countersign/countersign/idtoken"
)

var homePage = page.New(`The print shop`, `
<p>We print the photos that you have in your album, at another service. It gives them to us if you let it.</p>
<p><a class="button" href="/photos">{{if .}}To your photos{{else}}Sign in and choose photos{{end}}</a></p>
`)

var photosPage = page.New(`Hello, {{.Name}}`, `
<p>You are <strong>{{.User.Subject}}</strong> at {{.User.Issuer}}.</p>
<h2>What the API said</h2>
{{if ne .Status 200}}<p class="wrong">The API did not give us your photos (status {{.Status}}). With a server of your own: the token must be a JWT as in RFC 9068, for the audience {{.Audience}}, with the scope {{.Scope}}.</p>{{end}}
<pre id="answer" tabindex="0">{{.Answer}}</pre>
<h2>The path</h2>
<ol>{{range .Path}}
<li>{{.}}</li>{{end}}
</ol>
<h2>The ID token in 14 steps</h2>
<pre id="report" class="rows" tabindex="0">{{range .Report}}<span>{{.}}</span>
{{end}}</pre>
<form method="post" action="/logout"><button class="quiet">Sign out</button></form>
`)

// show calls the API with the visitor's access token and shows what it answers.
func (a *app) show(w http.ResponseWriter, r *http.Request, login *session.Login) {
	path := a.path(login.Path)
	path.add(5, "The app calls %s/photos with the access token.", a.api)
	status, body, err := a.call(r.Context(), login.Tokens.Token)
	if err != nil {
		page.Fail(w, r, a.log, http.StatusBadGateway, "temporarily_unavailable", err)
		return
	}
	path.add(6, "%s", describeAnswer(status, body))
	path.add(7, "The app shows what the API answered.")
	shown := http.StatusOK
	if status != http.StatusOK {
		shown = http.StatusBadGateway
	}
	photosPage.Write(w, shown, map[string]any{
		"Name": nameOf(login), "Status": status, "Answer": indent(body), "Path": path.lines, "Report": rows(login.Tokens.Report),
		"User": login.Tokens.IDToken, "Audience": a.audience, "Scope": apiScope,
	})
}

// apiClient does not follow redirects: the token is for one API.
var apiClient = &http.Client{
	Timeout:       10 * time.Second,
	CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
}

func (a *app) call(ctx context.Context, token *oauth2.Token) (status int, body []byte, err error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, a.api+"/photos", nil)
	if err != nil {
		return 0, nil, err
	}
	token.SetAuthHeader(r)
	resp, err := apiClient.Do(r)
	if err != nil {
		return 0, nil, err
	}
	defer resp.Body.Close()
	body, err = io.ReadAll(io.LimitReader(resp.Body, 64<<10))
	return resp.StatusCode, body, err
}

// describeAnswer tells what the API's middleware made of the token.
func describeAnswer(status int, body []byte) string {
	var got struct {
		answer
		Error string `json:"error"`
	}
	json.Unmarshal(body, &got)
	if status != http.StatusOK {
		return fmt.Sprintf("The API's middleware refuses the token: %d %s.", status, got.Error)
	}
	return fmt.Sprintf("The API's middleware verified the token (%s) and put user %s, scope %q and client ID %s into the request's context.",
		got.Verified, got.User, got.Scope, got.ClientID)
}

func indent(body []byte) string {
	var b bytes.Buffer
	if json.Indent(&b, body, "", "  ") != nil {
		return string(body)
	}
	return b.String()
}

// rows are the lines of the report's table; narrow screens wrap each by itself.
func rows(r *idtoken.Report) []string {
	return strings.Split(strings.TrimSuffix(r.String(), "\n"), "\n")
}

// nameOf is what the visitor likes to be called; who they are is the pair of issuer and subject.
func nameOf(login *session.Login) string {
	var claims struct {
		Name string `json:"name"`
	}
	if login.UserInfo.Claims(&claims) != nil || claims.Name == "" {
		return login.UserInfo.Subject
	}
	return claims.Name
}
