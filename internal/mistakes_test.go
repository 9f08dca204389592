package internal_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"strings"
	"testing"

	"golang.org/x/oauth2"

	"github.com/countersign/countersign/client"
	"github.com/countersign/countersign/client/auth"
	"github.com/countersign/countersign/client/login"
	"github.com/countersign/countersign/client/logintest"
	"github.com/countersign/countersign/discovery"
	"github.com/countersign/countersign/discovery/issuertest"
	"github.com/countersign/countersign/rs"
)

// firstDay is a program of the first day, at an issuer that has one client with one redirect
// URI. A mistake changes it.
type firstDay struct {
	t      *testing.T
	issuer *issuertest.Issuer
	log    bytes.Buffer
	app    *httptest.Server
	client client.Config
	login  login.Config
	api    *rs.JWT
	guard  func(http.Handler) http.Handler
}

func newFirstDay(t *testing.T) *firstDay {
	d := &firstDay{t: t, guard: rs.RequireScope("photos.read")}
	mux := http.NewServeMux()
	d.app = httptest.NewTLSServer(mux)
	t.Cleanup(d.app.Close)
	d.issuer = issuertest.New(t, issuertest.Config{Clients: []issuertest.Client{{
		ID: "web", Secret: "canary-secret", RedirectURLs: []string{d.app.URL + "/callback"}, Scopes: []string{"openid", "profile"},
	}}})
	provider := &discovery.Provider{Issuer: d.issuer.URL, HTTP: d.issuer.Client(), Logger: d.logger()}
	d.client = client.Config{
		Issuer: d.issuer.URL, ClientID: "web", Auth: auth.Secret("canary-secret"), RedirectURL: d.app.URL + "/callback",
		Scopes: []string{"openid", "profile"}, HTTP: d.issuer.Client(),
	}
	d.login = login.Config{Keys: [][]byte{make([]byte, 32)}, Log: d.logger()}
	d.api = &rs.JWT{Issuer: d.issuer.URL, Audience: issuertest.Audience, Keys: provider.Keys()}
	return d
}

func (d *firstDay) logger() *slog.Logger { return slog.New(slog.NewTextHandler(&d.log, nil)) }

// routes makes the application.
func (d *firstDay) routes() *login.Login {
	d.t.Helper()
	c, err := client.New(d.client)
	if err != nil {
		d.t.Fatal(err)
	}
	d.login.Clients = map[string]*client.Client{"main": c}
	l, err := login.New(d.login)
	if err != nil {
		d.t.Fatal(err)
	}
	mux := d.app.Config.Handler.(*http.ServeMux)
	mux.Handle("/login", l.Start())
	mux.Handle("/callback", l.Callback())
	mux.Handle("/{$}", l.Require(home))
	return l
}

// visit opens the application in a browser.
func (d *firstDay) visit() (int, string) {
	d.routes()
	resp, err := d.issuer.Browser(d.app.Certificate()).Get(d.app.URL)
	if err != nil {
		d.t.Fatal(err)
	}
	defer resp.Body.Close()
	page, _ := io.ReadAll(resp.Body)
	return resp.StatusCode, string(page)
}

// call calls the API with a token of the issuer.
func (d *firstDay) call(token string) (int, string) {
	p := &rs.Protection{Tokens: d.api, Logger: d.logger()}
	r := httptest.NewRequest("GET", "/photos", nil)
	r.Header.Set("Authorization", "Bearer "+token)
	w := httptest.NewRecorder()
	p.Handler(d.guard(http.NotFoundHandler())).ServeHTTP(w, r)
	return w.Code, w.Body.String() + w.Header().Get("WWW-Authenticate")
}

func (d *firstDay) accessToken(scopes ...string) string {
	return d.issuer.AccessToken(issuertest.AccessToken{Scopes: scopes})
}

// TestMistakes makes each mistake of a beginner. The log has the level and the text by which
// the page on troubleshooting finds the remedy; the visitor or the caller sees a page, its
// status, and a way to try again only where that helps.
func TestMistakes(t *testing.T) {
	page := troubleshooting(t)
	for _, test := range []struct {
		name   string
		make   func(d *firstDay) (status int, page string)
		level  string
		text   string   // of docs/troubleshooting.md
		also   []string // in the log
		status int
		shows  string
		retry  bool // the page has a link to sign in again
	}{
		{"wrong secret", func(d *firstDay) (int, string) { d.client.Auth = auth.Secret("canary-wrong"); return d.visit() },
			"ERROR", "invalid_client", []string{`client_id \"web\"`, "authentication client_secret_basic"}, 500, "configuration_error", false},
		{"unregistered redirect URI", func(d *firstDay) (int, string) {
			d.client.RedirectURL = d.app.URL + "/login/callback"
			return d.visit()
		},
			"ERROR", "invalid_request", []string{"/login/callback"}, 500, "configuration_error", false},
		{"wrong issuer", func(d *firstDay) (int, string) { d.client.Issuer += "/"; return d.visit() },
			"ERROR", "the metadata is of issuer …, expected …", []string{"set Issuer"}, 500, "configuration_error", false},
		{"wrong audience of ID tokens", func(d *firstDay) (int, string) { d.issuer.Inject(issuertest.IDTokenAudienceMore); return d.visit() },
			"INFO", "aud also contains …", []string{"TrustedAudiences"}, 400, "login_failed", true},
		{"wrong clock", func(d *firstDay) (int, string) { d.issuer.Inject(issuertest.IDTokenIssuedInFuture); return d.visit() },
			"INFO", "in the future by …", []string{"(Skew)"}, 400, "login_failed", true},
		{"localhost and 127.0.0.1", func(d *firstDay) (int, string) {
			d.routes()
			r := httptest.NewRequest("GET", "/callback?code=canary-code&state=canary-state", nil)
			w := httptest.NewRecorder()
			d.app.Config.Handler.ServeHTTP(w, r)
			return w.Code, w.Body.String()
		}, "INFO", "no login is under way in this browser", []string{"localhost instead of 127.0.0.1"}, 400, "login_unknown", true},
		{"processes with different keys", func(d *firstDay) (int, string) {
			d.routes()
			other, err := login.New(login.Config{Clients: d.login.Clients, Keys: [][]byte{bytes.Repeat([]byte{1}, 32)}, Log: d.login.Log})
			if err != nil {
				d.t.Fatal(err)
			}
			r := logintest.WithSession(httptest.NewRequest("GET", "/", nil), other, logintest.User{Subject: "alice"})
			r.Header.Set("Sec-Fetch-Mode", "cors")
			w := httptest.NewRecorder()
			d.app.Config.Handler.ServeHTTP(w, r)
			return w.Code, w.Body.String()
		}, "WARN", "Config.Keys do not open a cookie", []string{"Config.CookieName"}, 401, "login_required", false},
		{"a claim that ID tokens lack", func(d *firstDay) (int, string) { d.login.Claims = []string{"picture"}; return d.visit() },
			"WARN", "the ID token lacks a claim of Config.Claims", []string{"Config.UserInfo", "claim=picture"}, 200, "hello", false},

		{"the server is down", func(d *firstDay) (int, string) {
			d.issuer.Close()
			d.routes()
			w := httptest.NewRecorder()
			d.app.Config.Handler.ServeHTTP(w, httptest.NewRequest("GET", "/", nil))
			return w.Code, w.Body.String()
		}, "ERROR", "connection refused", []string{"client=main"}, 503, "temporarily_unavailable", true},
		{"API whose server is down", func(d *firstDay) (int, string) {
			token := d.accessToken("photos.read")
			d.issuer.Close()
			return d.call(token)
		}, "ERROR", "connection refused", []string{"path=/photos"}, 503, "", false},

		{"API without an audience", func(d *firstDay) (int, string) { d.api.Audience = ""; return d.call(d.accessToken("photos.read")) },
			"ERROR", "set either JWT.Audience", nil, 503, "", false},
		{"API with another audience", func(d *firstDay) (int, string) {
			d.api.Audience = "https://photos.example"
			return d.call(d.accessToken("photos.read"))
		}, "INFO", "aud is …, expected …", []string{"audience mapper", "method=GET", "path=/photos"}, 401, "invalid_token", false},
		{"API of another issuer", func(d *firstDay) (int, string) { d.api.Issuer += "/"; return d.call(d.accessToken("photos.read")) },
			"INFO", "iss is …, expected …", []string{"JWT.Issuer"}, 401, "invalid_token", false},
		{"ID token at an API", func(d *firstDay) (int, string) { return d.call(d.issuer.IDToken(issuertest.IDToken{})) },
			"INFO", "set JWT.Typ to the typ of the server's access tokens", nil, 401, "invalid_token", false},
		{"missing scope", func(d *firstDay) (int, string) { return d.call(d.accessToken("photos.list")) },
			"INFO", "the access token lacks a scope: required …, granted …", []string{"client=", "subject=alice"}, 403, "required photos.read, granted photos.list", false},
		{"missing role", func(d *firstDay) (int, string) {
			d.guard = rs.RequireClaim([]string{"roles"}, "admin")
			return d.call(d.accessToken("photos.read"))
		}, "INFO", "the token has no claim …: configure the server to add it", nil, 403, "required roles with one of admin", false},
	} {
		t.Run(test.name, func(t *testing.T) {
			if !slices.Contains(page, test.text) {
				t.Errorf("docs/troubleshooting.md does not have %q", test.text)
			}
			d := newFirstDay(t)
			status, body := test.make(d)
			if status != test.status || !strings.Contains(body, test.shows) {
				t.Errorf("status %d, expected %d: %s", status, test.status, body)
			}
			if retry := strings.Contains(body, `href="/login`); retry != test.retry {
				t.Errorf("a link to sign in again: %t", retry)
			}
			log := d.log.String()
			parts := strings.Split(test.text, "…")
			for i := range parts {
				parts[i] = regexp.QuoteMeta(parts[i])
			}
			if !regexp.MustCompile("level="+test.level+".*"+strings.Join(parts, ".*")).MatchString(log) || strings.Count(log, "level="+test.level) != 1 ||
				test.level != "ERROR" && strings.Contains(log, "level=ERROR") {
				t.Errorf("no single line with %s and %q in the log: %s", test.level, test.text, log)
			}
			for _, want := range test.also {
				if !strings.Contains(strings.ReplaceAll(log, `\\\"`, `\"`), want) {
					t.Errorf("no %s in the log: %s", want, log)
				}
			}
			if strings.Contains(log+body, "canary") {
				t.Errorf("a secret is in the log or on the page: %s%s", log, body)
			}
		})
	}
}

// TestMistakesBeforeListening: Ready reports what an API lacks, and json.Marshal that it would
// lose tokens.
func TestMistakesBeforeListening(t *testing.T) {
	d := newFirstDay(t)
	if err := (&rs.Protection{Tokens: d.api}).Ready(t.Context()); err != nil {
		t.Error(err)
	}
	for field, change := range map[string]func(){"JWT.Audience": func() { d.api.Audience = "" }, "JWT.Issuer": func() { d.api.Issuer = "" }} {
		complete := *d.api
		change()
		if err := (&rs.Protection{Tokens: d.api}).Ready(t.Context()); err == nil || !strings.Contains(err.Error(), field) {
			t.Errorf("Ready without %s: %v", field, err)
		}
		d.api = &complete
	}
	_, err := json.Marshal(&client.Tokens{Token: &oauth2.Token{AccessToken: "canary"}})
	if err == nil || !strings.Contains(err.Error(), "Tokens are not encoded") || !strings.Contains(fmt.Sprint(err), "tokens.ToStore") {
		t.Errorf("json.Marshal of tokens: %v", err)
	}
}
