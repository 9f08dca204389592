package logintest_test

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"golang.org/x/oauth2"

	"github.com/countersign/countersign/client"
	"github.com/countersign/countersign/client/auth"
	"github.com/countersign/countersign/client/login"
	"github.com/countersign/countersign/client/logintest"
	"github.com/countersign/countersign/client/tokens"
	"github.com/countersign/countersign/discovery/issuertest"
)

// hello greets the user by the claim name, and shows the access token if there is one.
func hello(w http.ResponseWriter, r *http.Request) {
	user, ok := login.FromContext(r.Context())
	if !ok {
		io.WriteString(w, "hello nobody")
		return
	}
	var claims struct {
		Name string `json:"name"`
	}
	if err := user.Claims(&claims); err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	token := "none"
	if tokens, err := user.Tokens(r.Context()); err == nil {
		token = tokens.AccessToken
	}
	fmt.Fprintf(w, "hello %s, %s at %s, token %s", claims.Name, user.Subject, user.Issuer, token)
}

func serve(h http.Handler, r *http.Request) (status int, body string) {
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w.Code, w.Body.String()
}

func alice() logintest.User {
	return logintest.User{
		Subject: "alice", Claims: map[string]any{"name": "Alice"},
		Tokens: &client.Tokens{Token: &oauth2.Token{AccessToken: "a-token", Expiry: time.Now().Add(time.Hour)}},
	}
}

const greeting = "hello Alice, alice at https://issuer.example, token a-token"

func TestWith(t *testing.T) {
	r := logintest.With(httptest.NewRequest("GET", "/", nil), alice())
	if _, body := serve(http.HandlerFunc(hello), r); body != greeting {
		t.Error(body)
	}
	r = logintest.With(httptest.NewRequest("GET", "/", nil), logintest.User{Subject: "bob"})
	if _, body := serve(http.HandlerFunc(hello), r); body != "hello , bob at https://issuer.example, token none" {
		t.Error(body)
	}
	user, _ := login.FromContext(logintest.With(r, alice()).Context())
	if _, err := user.Renew(t.Context(), nil); !errors.Is(err, tokens.ErrLoginRequired) {
		t.Errorf("Renew: %v", err)
	}
	if user.SignedIn.IsZero() || user.Claim("name") != "Alice" {
		t.Errorf("%v, signed in at %v", user, user.SignedIn)
	}
}

func newLogin(t *testing.T, issuer string, hc *http.Client, change func(*login.Config)) *login.Login {
	t.Helper()
	c, err := client.New(client.Config{
		Issuer: issuer, ClientID: issuertest.ClientID, Auth: auth.Secret(issuertest.ClientSecret), HTTP: hc,
		RedirectURL: "https://app.example/callback", Scopes: []string{"openid", "profile"},
	})
	if err != nil {
		t.Fatal(err)
	}
	config := login.Config{
		Clients: map[string]*client.Client{"main": c}, Keys: [][]byte{make([]byte, 32)}, Claims: []string{"name"}, KeepTokens: true,
		Log: slog.New(slog.DiscardHandler),
	}
	if change != nil {
		change(&config)
	}
	l, err := login.New(config)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// TestWithSession: Require of the Login accepts the session, in cookies and in a Store.
func TestWithSession(t *testing.T) {
	for name, change := range map[string]func(*login.Config){
		"cookies": nil, "store": func(c *login.Config) { c.Store = &login.Memory{} },
	} {
		t.Run(name, func(t *testing.T) {
			l := newLogin(t, logintest.Issuer, nil, change)
			h := l.Require(http.HandlerFunc(hello))
			r := logintest.WithSession(httptest.NewRequest("GET", "https://app.example/", nil), l, alice())
			if _, body := serve(h, r); body != greeting {
				t.Error(body)
			}
			if status, _ := serve(h, httptest.NewRequest("POST", "https://app.example/", nil)); status != 401 {
				t.Errorf("status %d without a session", status)
			}
			other := newLogin(t, logintest.Issuer, nil, func(c *login.Config) { c.Keys = [][]byte{[]byte("canary-key of another login 32 b")} })
			if _, body := serve(other.Identify(http.HandlerFunc(hello)), r); body != "hello nobody" {
				t.Errorf("another Login says %s", body)
			}
		})
	}
}

// TestWithSessionExpires: the session expires like any other.
func TestWithSessionExpires(t *testing.T) {
	now := time.Now()
	l := newLogin(t, logintest.Issuer, nil, func(c *login.Config) { c.Now = func() time.Time { return now } })
	r := logintest.WithSession(httptest.NewRequest("GET", "https://app.example/", nil), l, alice())
	now = now.Add(24 * time.Hour)
	if _, body := serve(l.Identify(http.HandlerFunc(hello)), r); body != "hello nobody" {
		t.Error(body)
	}
}

func TestWithSessionPanics(t *testing.T) {
	for want, user := range map[string]logintest.User{
		"has no client": {Subject: "alice", Client: "other"}, "User.Subject is empty": {},
		"KeepTokens": {Subject: "alice", Tokens: &client.Tokens{}},
	} {
		func() {
			defer func() {
				if said := fmt.Sprint(recover()); !strings.Contains(said, want) {
					t.Errorf("the panic says %s, want %s", said, want)
				}
			}()
			l := newLogin(t, logintest.Issuer, nil, func(c *login.Config) { c.KeepTokens = false })
			logintest.WithSession(httptest.NewRequest("GET", "/", nil), l, user)
		}()
	}
}

// TestAsAfterALogin: With gives a handler the same values as a real login.
func TestAsAfterALogin(t *testing.T) {
	issuer := issuertest.New(t, issuertest.Config{})
	mux := http.NewServeMux()
	app := httptest.NewTLSServer(mux)
	defer app.Close()
	c, err := client.New(client.Config{
		Issuer: issuer.URL, ClientID: issuertest.ClientID, Auth: auth.Secret(issuertest.ClientSecret), HTTP: issuer.Client(),
		RedirectURL: app.URL + "/callback", Scopes: []string{"openid", "profile"},
	})
	if err != nil {
		t.Fatal(err)
	}
	l := newLogin(t, issuer.URL, nil, func(config *login.Config) { config.Clients["main"] = c; config.KeepTokens = false })
	mux.Handle("/callback", l.Callback())
	mux.Handle("/", l.Require(http.HandlerFunc(hello)))
	resp, err := issuer.Browser(app.Certificate()).Get(app.URL)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	real, _ := io.ReadAll(resp.Body)
	user := logintest.User{Issuer: issuer.URL, Subject: "alice", Claims: map[string]any{"name": "Alice Liddell"}}
	if _, made := serve(http.HandlerFunc(hello), logintest.With(httptest.NewRequest("GET", "/", nil), user)); made != string(real) {
		t.Errorf("got  %s\nwant %s", made, real)
	}
}

// A handler behind Login.Require.
func ExampleWith() {
	handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		user, _ := login.FromContext(r.Context())
		io.WriteString(w, "hello "+user.Claim("name"))
	})
	r := httptest.NewRequest("GET", "/photos", nil)
	r = logintest.With(r, logintest.User{Subject: "alice", Claims: map[string]any{"name": "Alice"}})
	w := httptest.NewRecorder()
	handler.ServeHTTP(w, r)
	fmt.Println(w.Body)
	// Output: hello Alice
}
