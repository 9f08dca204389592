package internal_test

import (
	"encoding/base64"
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
	"github.com/countersign/countersign/discovery"
	"github.com/countersign/countersign/discovery/issuertest"
	"github.com/countersign/countersign/rs"
	"github.com/countersign/countersign/rs/rstest"
)

// The code of docs/test-your-application.md, run.

// api is the code under test in the examples of the page.
var api = rs.RequireScope("photos.read")(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
	caller, ok := rs.FromContext(r.Context())
	if !ok {
		http.Error(w, "no token", http.StatusUnauthorized)
		return
	}
	io.WriteString(w, "photos of "+caller.Subject)
}))

func TestPhotos(t *testing.T) {
	r := httptest.NewRequest("GET", "/photos", nil)
	r = rstest.With(r, rstest.Principal{Subject: "alice", Scopes: []string{"photos.read"}})
	w := httptest.NewRecorder()
	if api.ServeHTTP(w, r); w.Body.String() != "photos of alice" {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}

func TestRoutes(t *testing.T) {
	protection := &rs.Protection{Tokens: rstest.Tokens{"a-token": {Subject: "alice", Scopes: []string{"photos.read"}}}}
	r := httptest.NewRequest("GET", "/photos", nil)
	r.Header.Set("Authorization", "Bearer a-token")
	w := httptest.NewRecorder()
	protection.Handler(api).ServeHTTP(w, r)
	if w.Code != http.StatusOK {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}

// home is a page for users who are signed in.
var home = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
	user, ok := login.FromContext(r.Context())
	if !ok {
		http.Error(w, "not signed in", http.StatusUnauthorized)
		return
	}
	io.WriteString(w, "hello "+user.Claim("name"))
})

func TestHome(t *testing.T) {
	r := httptest.NewRequest("GET", "/", nil)
	r = logintest.With(r, logintest.User{Subject: "alice", Claims: map[string]any{"name": "Alice"}})
	w := httptest.NewRecorder()
	if home.ServeHTTP(w, r); w.Body.String() != "hello Alice" {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}

func TestHomeWithTokens(t *testing.T) {
	issued := &client.Tokens{Token: &oauth2.Token{AccessToken: "an-access-token"}}
	r := logintest.With(httptest.NewRequest("GET", "/", nil), logintest.User{Subject: "alice", Tokens: issued})
	user, ok := login.FromContext(r.Context())
	if !ok {
		t.Fatal("no user in the context")
	}
	if got, err := user.Tokens(t.Context()); err != nil || got != issued {
		t.Error(err)
	}
}

// newApplication mounts the routes of an application.
func newApplication(t *testing.T, c *client.Client, mux *http.ServeMux) {
	t.Helper()
	l, err := login.New(login.Config{
		Clients: map[string]*client.Client{"main": c}, Keys: [][]byte{make([]byte, 32)}, Claims: []string{"name"},
		Log: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	mux.Handle("/callback", l.Callback())
	mux.Handle("/", l.Require(home))
}

func TestLogin(t *testing.T) {
	if status, body := openHome(t, issuertest.New(t, issuertest.Config{})); body != "hello Alice Liddell" {
		t.Errorf("%d %s", status, body)
	}
}

// openHome signs the first user in to the application and returns the page that follows.
func openHome(t *testing.T, issuer *issuertest.Issuer) (status int, body string) {
	mux := http.NewServeMux()
	app := httptest.NewTLSServer(mux)
	defer app.Close()
	c, err := client.New(client.Config{
		Issuer: issuer.URL, ClientID: issuertest.ClientID, Auth: auth.Secret(issuertest.ClientSecret),
		RedirectURL: app.URL + "/callback", Scopes: []string{"openid", "profile"}, HTTP: issuer.Client(),
	})
	if err != nil {
		t.Fatal(err)
	}
	newApplication(t, c, mux)
	resp, err := issuer.Browser(app.Certificate()).Get(app.URL)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	page, _ := io.ReadAll(resp.Body)
	return resp.StatusCode, string(page)
}

func TestWrongNonce(t *testing.T) {
	issuer := issuertest.New(t, issuertest.Config{Faults: []issuertest.Fault{issuertest.IDTokenNonceWrong}})
	if status, _ := openHome(t, issuer); status != http.StatusBadRequest {
		t.Errorf("the application answers %d", status)
	}
}

// TestEveryFaultEndsTheLogin: an ID token with a fault signs no user in.
func TestEveryFaultEndsTheLogin(t *testing.T) {
	for _, fault := range issuertest.Faults() {
		conditional := fault.Step() == 12 || fault.Step() == 13 || fault == issuertest.IDTokenCodeOther // nothing was requested
		if fault.Step() == 0 || conditional {
			continue
		}
		t.Run(string(fault), func(t *testing.T) {
			issuer := issuertest.New(t, issuertest.Config{Faults: []issuertest.Fault{fault}})
			if status, body := openHome(t, issuer); status < 400 {
				t.Errorf("%d %s", status, body)
			}
		})
	}
}

func TestEditedIDToken(t *testing.T) {
	issuer := issuertest.New(t, issuertest.Config{
		Edit: issuertest.Edit{IDToken: func(claims map[string]any) { claims["groups"] = []string{"staff"} }},
	})
	payload, err := base64.RawURLEncoding.DecodeString(strings.Split(issuer.IDToken(issuertest.IDToken{}), ".")[1])
	if err != nil || !strings.Contains(string(payload), `"groups":["staff"]`) {
		t.Errorf("claims %s, %v", payload, err)
	}
}

func TestTokenOfAnotherAPI(t *testing.T) {
	issuer := issuertest.New(t, issuertest.Config{})
	provider := &discovery.Provider{Issuer: issuer.URL, HTTP: issuer.Client()}
	tokens := &rs.JWT{Issuer: issuer.URL, Audience: "https://api.example", Keys: provider.Keys()}
	right := issuer.AccessToken(issuertest.AccessToken{Scopes: []string{"photos.read"}})
	wrong := issuer.AccessToken(issuertest.AccessToken{Audience: []string{"https://another-api.example"}})
	if _, err := tokens.VerifyToken(t.Context(), right); err != nil {
		t.Error(err)
	}
	if _, err := tokens.VerifyToken(t.Context(), wrong); err == nil {
		t.Error("a token of another API is accepted")
	}
}

func TestExpiredToken(t *testing.T) {
	issuer := issuertest.New(t, issuertest.Config{})
	provider := &discovery.Provider{Issuer: issuer.URL, HTTP: issuer.Client(), Now: issuer.Now}
	tokens := &rs.JWT{Issuer: issuer.URL, Audience: "https://api.example", Keys: provider.Keys(), Now: issuer.Now}
	token := issuer.AccessToken(issuertest.AccessToken{})
	issuer.Advance(time.Hour)
	if _, err := tokens.VerifyToken(t.Context(), token); err == nil {
		t.Error("a token is accepted an hour later")
	}
}
