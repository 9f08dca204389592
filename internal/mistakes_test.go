package internal_test

import (
	"bytes"
	"encoding/json"
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
	"github.com/countersign/countersign/discovery"
	"github.com/countersign/countersign/discovery/issuertest"
	"github.com/countersign/countersign/rs"
)

// firstDay is a beginner's program, and an issuer that has one client with one redirect URI. A
// mistake changes a part of it.
type firstDay struct {
	t      *testing.T
	issuer *issuertest.Issuer
	log    bytes.Buffer
	app    *httptest.Server
	mux    *http.ServeMux
	before func(*http.Request) // is called before each request to the application
	client client.Config
	login  login.Config
	api    *rs.JWT
	guard  func(http.Handler) http.Handler
}

func newFirstDay(t *testing.T) *firstDay {
	d := &firstDay{t: t, guard: rs.RequireScope("photos.read"), mux: http.NewServeMux(), before: func(*http.Request) {}}
	d.app = httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		d.before(r)
		d.mux.ServeHTTP(w, r)
	}))
	t.Cleanup(d.app.Close)
	d.serve(issuertest.Config{})
	return d
}

// serve starts an issuer with the one client, and configures the application and the API for
// it.
func (d *firstDay) serve(config issuertest.Config) {
	config.Clients = []issuertest.Client{{
		ID: "web", Secret: "canary-secret", RedirectURLs: []string{d.app.URL + "/callback"}, Scopes: []string{"openid", "profile"},
	}}
	d.issuer = issuertest.New(d.t, config)
	provider := &discovery.Provider{Issuer: d.issuer.URL, HTTP: d.issuer.Client(), Logger: d.logger()}
	d.client = client.Config{
		Issuer: d.issuer.URL, ClientID: "web", Auth: auth.Secret("canary-secret"), RedirectURL: d.app.URL + "/callback",
		Scopes: []string{"openid", "profile"}, HTTP: d.issuer.Client(),
	}
	d.login = login.Config{Keys: [][]byte{make([]byte, 32)}, Log: d.logger()}
	d.api = &rs.JWT{Issuer: d.issuer.URL, Audience: issuertest.Audience, Keys: provider.Keys()}
}

func (d *firstDay) logger() *slog.Logger { return slog.New(slog.NewTextHandler(&d.log, nil)) }

// start makes the application.
func (d *firstDay) start() error {
	c, err := client.New(d.client)
	if err != nil {
		return err
	}
	d.login.Clients = map[string]*client.Client{"main": c}
	l, err := login.New(d.login)
	if err != nil {
		return err
	}
	d.mux.Handle("/login", l.Start())
	d.mux.Handle("/callback", l.Callback())
	d.mux.Handle("/{$}", l.Require(home))
	return nil
}

// routes is start for a complete configuration.
func (d *firstDay) routes() {
	d.t.Helper()
	if err := d.start(); err != nil {
		d.t.Fatal(err)
	}
}

// visit opens the application in a browser.
func (d *firstDay) visit() (int, string) {
	d.routes()
	return d.open(d.issuer.Browser(d.app.Certificate()))
}

func (d *firstDay) open(browser *http.Client) (int, string) {
	resp, err := browser.Get(d.app.URL)
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

// mistake is what a beginner does wrong, and the expected result.
type mistake struct {
	name   string
	make   func(d *firstDay) (status int, page string)
	level  string
	text   string   // of docs/troubleshooting.md
	also   []string // in the log
	status int
	shows  string
	retry  bool // the page has a link to sign in again
}

// TestMistakes makes each mistake of a beginner. The log has the level, and the text that the page
// on troubleshooting lists. The visitor or the caller gets the right status and page. The page has
// a link to try again only where that helps.
func TestMistakes(t *testing.T) {
	page := troubleshooting(t)
	for _, m := range slices.Concat(registrationMistakes(), signInMistakes(), deploymentMistakes(), apiMistakes()) {
		t.Run(m.name, func(t *testing.T) {
			if !slices.Contains(page, m.text) {
				t.Errorf("docs/troubleshooting.md does not have %q", m.text)
			}
			d := newFirstDay(t)
			status, body := m.make(d)
			if status != m.status || !strings.Contains(body, m.shows) {
				t.Errorf("status %d, expected %d: %s", status, m.status, body)
			}
			if retry := strings.Contains(body, `href="/login`); retry != m.retry {
				t.Errorf("a link to sign in again: %t", retry)
			}
			m.checkLog(t, d.log.String())
			if strings.Contains(d.log.String()+body, "canary") {
				t.Errorf("a secret is in the log or on the page: %s%s", d.log.String(), body)
			}
		})
	}
}

// checkLog requires one line at the level, with the text, and no line at a higher level.
func (m *mistake) checkLog(t *testing.T, log string) {
	t.Helper()
	parts := strings.Split(m.text, "…")
	for i := range parts {
		parts[i] = regexp.QuoteMeta(parts[i])
	}
	line := regexp.MustCompile("level=" + m.level + ".*" + strings.Join(parts, ".*"))
	if !line.MatchString(log) || strings.Count(log, "level="+m.level) != 1 || strings.Count(log, "level=ERROR")+strings.Count(log, "level=WARN") > 1 ||
		m.level != "ERROR" && strings.Contains(log, "level=ERROR") {
		t.Errorf("no single line with %s and %q in the log: %s", m.level, m.text, log)
	}
	for _, want := range m.also {
		if !strings.Contains(strings.ReplaceAll(log, `\\\"`, `\"`), want) {
			t.Errorf("no %s in the log: %s", want, log)
		}
	}
}

// TestMistakeOfJSON: json.Marshal reports that it would lose tokens.
func TestMistakeOfJSON(t *testing.T) {
	_, err := json.Marshal(&client.Tokens{Token: &oauth2.Token{AccessToken: "canary"}})
	if err == nil || !strings.Contains(err.Error(), "Tokens cannot be encoded directly") || !strings.Contains(err.Error(), "tokens.ToStore") || strings.Contains(err.Error(), "canary") {
		t.Errorf("json.Marshal of tokens: %v", err)
	}
}
