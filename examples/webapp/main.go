// Webapp signs visitors in at any OpenID Connect server, and shows them an API's response.
//
//	go -C examples run ./webapp    also starts its own server, and needs no settings
//
//	ISSUER          the server: exactly the issuer of its metadata
//	CLIENT_ID       of the registration, with the redirect URI BASE_URL/callback
//	CLIENT_SECRET   not set for a public client
//	SCOPES          the requested scopes; openid if it is not set
//	BASE_URL        the address of this program in browsers; http://127.0.0.1:8080 if it is not set
//	LISTEN          where it listens; 127.0.0.1:8080 if it is not set
//	API_URL         the API to call with the visitor's access token; none if it is not set
//	SESSION_KEYS    32 bytes in base64, or several with commas; if not set, sessions end with the program
//	REDIS_URL       the Redis for sessions of several processes; without it they are in cookies
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
	"github.com/countersign/countersign/client/auth"
	"github.com/countersign/countersign/client/login"
	"github.com/countersign/countersign/client/tokens"
	"github.com/countersign/countersign/examples/internal/page"
	"github.com/countersign/countersign/redisstore"
)

var baseURL = cmp.Or(os.Getenv("BASE_URL"), "http://127.0.0.1:8080")

func main() {
	handler, err := newApp()
	if err != nil {
		log.Fatal(err)
	}
	server := &http.Server{Addr: cmp.Or(os.Getenv("LISTEN"), "127.0.0.1:8080"), Handler: handler, ReadHeaderTimeout: 5 * time.Second}
	log.Printf("open %s", baseURL)
	log.Fatal(server.ListenAndServe())
}

// newApp makes the application from the environment.
func newApp() (http.Handler, error) {
	if os.Getenv("ISSUER") == "" {
		if err := demonstrate(); err != nil {
			return nil, err
		}
	}
	method := auth.Public()
	if secret := os.Getenv("CLIENT_SECRET"); secret != "" {
		method = auth.Secret(secret)
	}
	c, err := client.New(client.Config{
		Issuer: os.Getenv("ISSUER"), ClientID: os.Getenv("CLIENT_ID"), Auth: method, RedirectURL: baseURL + "/callback",
		Scopes: strings.Fields(cmp.Or(os.Getenv("SCOPES"), "openid")),
	})
	if err != nil {
		return nil, err
	}
	keys, err := login.ParseKeys(os.Getenv("SESSION_KEYS"))
	if err != nil {
		return nil, err
	}
	store, err := newStore()
	if err != nil {
		return nil, err
	}
	l, err := login.New(login.Config{
		Clients: map[string]*client.Client{"main": c}, Keys: keys, Store: store, CookieName: "webapp",
		KeepTokens: os.Getenv("API_URL") != "", InsecureHTTP: strings.HasPrefix(baseURL, "http:"),
	})
	if err != nil {
		return nil, err
	}
	return routes(l, &photos{login: l, client: c, api: os.Getenv("API_URL")}), nil
}

// newStore returns the store of the sessions, or nil if sessions are in cookies.
func newStore() (login.Store, error) {
	url := os.Getenv("REDIS_URL")
	switch {
	case url == "":
		return nil, nil
	case os.Getenv("SESSION_KEYS") == "":
		return nil, errors.New("SESSION_KEYS is not set: set it to the same keys for all processes that use REDIS_URL")
	}
	return redisstore.New(redisstore.Config{URL: url})
}

// routes mounts the login, and the pages around it.
func routes(l *login.Login, photos http.Handler) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("/login", l.Start())
	mux.Handle("/callback", l.Callback())
	mux.Handle("/logout", l.Logout())
	mux.Handle("/backchannel-logout", l.BackchannelLogout()) // for sessions in a store
	mux.Handle("GET /photos", l.Require(photos))
	mux.Handle("GET /{$}", l.Identify(http.HandlerFunc(home)))
	return mux
}

var homePage = page.New(`A web application`, `
{{with .}}<p>You are <strong>{{.Subject}}</strong> at {{.Issuer}}.</p>
<p><a class="button" href="/photos">Photos</a></p>
<form method="post" action="/logout"><button class="quiet">Sign out</button></form>
{{else}}<p><a class="button" href="/login">Sign in</a></p>{{end}}
`)

// home is for all visitors, and greets a signed-in user.
func home(w http.ResponseWriter, r *http.Request) {
	user, ok := login.FromContext(r.Context())
	if !ok {
		homePage.Write(w, http.StatusOK, nil)
		return
	}
	homePage.Write(w, http.StatusOK, user)
}

var photosPage = page.New(`Photos`, `
<p>You are <strong>{{.User.Subject}}</strong> at {{.User.Issuer}}.</p>
{{with .Answer}}<h2>What the API says</h2><pre tabindex="0">{{.}}</pre>{{end}}
<p><a href="/">Home</a></p>
`)

// photos is for who is signed in.
type photos struct {
	login  *login.Login
	client *client.Client
	api    string
}

func (p *photos) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	user, ok := login.FromContext(r.Context())
	if !ok {
		http.Error(w, "not signed in", http.StatusUnauthorized)
		return
	}
	answer, err := p.ask(r, user)
	if errors.Is(err, tokens.ErrLoginRequired) {
		p.login.Begin(w, r, login.BeginOptions{ReturnTo: r.URL.Path})
		return
	}
	if err != nil {
		slog.Warn("the API does not answer", "reason", err)
		answer = "Nothing just now."
	}
	photosPage.Write(w, http.StatusOK, map[string]any{"User": user, "Answer": answer})
}

// ask calls the API for the visitor, whose token goes to no other place.
func (p *photos) ask(r *http.Request, user *login.User) (string, error) {
	if p.api == "" {
		return "", nil
	}
	call, err := http.NewRequestWithContext(r.Context(), http.MethodGet, p.api, nil)
	if err != nil {
		return "", err
	}
	api := &http.Client{Transport: &tokens.Transport{
		Client: p.client, Tokens: user, Origins: []string{call.URL.Scheme + "://" + call.URL.Host},
	}}
	resp, err := api.Do(call)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, 64<<10))
	return resp.Status + "\n" + string(body), err
}
