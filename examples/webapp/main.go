// Webapp signs visitors in at any OpenID Connect server and shows them what an API says.
//
//	ISSUER          the server, exactly as it writes its issuer identifier
//	CLIENT_ID       of the registration, with the redirect URI BASE_URL/callback
//	CLIENT_SECRET   none for a public client
//	SCOPES          what to ask for; openid if it is not set
//	BASE_URL        what browsers call this program; http://127.0.0.1:8080 if it is not set
//	LISTEN          where it listens; 127.0.0.1:8080 if it is not set
//	API_URL         the API to call with the visitor's access token; none if it is not set
package main

import (
	"cmp"
	"errors"
	"io"
	"log"
	"log/slog"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/countersign/countersign/client"
	"github.com/countersign/countersign/examples/internal/page"
	"github.com/countersign/countersign/examples/internal/session"
)

var baseURL = cmp.Or(os.Getenv("BASE_URL"), "http://127.0.0.1:8080")

type app struct {
	client   *client.Client
	sessions session.Store
}

func main() {
	auth := client.Public()
	if secret := os.Getenv("CLIENT_SECRET"); secret != "" {
		auth = client.SecretBasic(secret)
	}
	c, err := client.New(client.Config{
		Issuer: os.Getenv("ISSUER"), ClientID: os.Getenv("CLIENT_ID"), Auth: auth, RedirectURL: baseURL + "/callback",
		Scopes: strings.Fields(cmp.Or(os.Getenv("SCOPES"), "openid")),
	})
	if err != nil {
		log.Fatal(err)
	}
	a := &app{client: c, sessions: session.Store{Cookie: "webapp", Secure: strings.HasPrefix(baseURL, "https:")}}
	http.HandleFunc("GET /{$}", a.home)
	http.HandleFunc("GET /login", a.login)
	http.HandleFunc("GET /callback", a.callback)
	server := &http.Server{Addr: cmp.Or(os.Getenv("LISTEN"), "127.0.0.1:8080"), ReadHeaderTimeout: 5 * time.Second}
	log.Printf("open %s", baseURL)
	log.Fatal(server.ListenAndServe())
}

// login is the first leg: what Begin gives is kept for this browser.
func (a *app) login(w http.ResponseWriter, r *http.Request) {
	redirect, pending, err := a.client.Begin(r.Context(), client.Request{})
	if err != nil {
		fail(w, r, err)
		return
	}
	a.sessions.Begin(w, r, &session.Attempt{Pending: pending})
	http.Redirect(w, r, redirect, http.StatusSeeOther)
}

// callback is the second: what was kept is dropped, and Finish does the rest.
func (a *app) callback(w http.ResponseWriter, r *http.Request) {
	attempt := a.sessions.Take(r, r.URL.Query().Get("state"))
	if attempt == nil {
		fail(w, r, errors.New("no login under way in this browser"))
		return
	}
	tokens, err := a.client.Finish(r.Context(), attempt.Pending, r.URL.Query())
	if err != nil {
		fail(w, r, err)
		return
	}
	a.sessions.SignIn(w, r, &session.Login{Tokens: tokens})
	http.Redirect(w, r, "/", http.StatusSeeOther)
}

var homePage = page.New(`A web application`, `
{{with .User}}<p>You are <strong>{{.Subject}}</strong> at {{.Issuer}}.</p><p><a href="/login">Sign in again</a></p>{{else}}<p><a class="button" href="/login">Sign in</a></p>{{end}}
{{with .Answer}}<h2>What the API says</h2><pre tabindex="0">{{.}}</pre>{{end}}
`)

func (a *app) home(w http.ResponseWriter, r *http.Request) {
	data := map[string]any{}
	if login := a.sessions.Login(r); login != nil {
		data["User"] = login.Tokens.IDToken
		data["Answer"] = ask(r, os.Getenv("API_URL"), login.Tokens)
	}
	homePage.Write(w, http.StatusOK, data)
}

// ask calls the API for the visitor.
func ask(r *http.Request, api string, tokens *client.Tokens) string {
	call, err := http.NewRequestWithContext(r.Context(), http.MethodGet, api, nil)
	if err != nil || api == "" {
		return ""
	}
	tokens.SetAuthHeader(call)
	resp, err := http.DefaultTransport.RoundTrip(call) // no redirects: the token is for one API
	if err != nil {
		slog.Warn("the API does not answer", "reason", err)
		return "Nothing just now."
	}
	defer resp.Body.Close()
	body, _ := io.ReadAll(io.LimitReader(resp.Body, 64<<10))
	return resp.Status + "\n" + string(body)
}

// fail shows the visitor a code and an id; the reason is in the log.
func fail(w http.ResponseWriter, r *http.Request, err error) {
	code := "login_failed"
	var failed *client.Error
	if errors.As(err, &failed) {
		code = failed.Code
	}
	page.Fail(w, r, slog.Default(), http.StatusBadRequest, code, err)
}
