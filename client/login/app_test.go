package login_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"log/slog"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/countersign/countersign/client"
	"github.com/countersign/countersign/client/auth"
	"github.com/countersign/countersign/client/login"
	"github.com/countersign/countersign/client/tokens"
	"github.com/countersign/countersign/internal/optest"
)

// key makes a session key from a name.
func key(name string) []byte { return []byte((name + strings.Repeat("-canary-key", 4))[:32]) }

// clock is a clock that a test sets.
type clock struct {
	mu  sync.Mutex
	off time.Duration
}

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return time.Now().Add(c.off)
}

func (c *clock) turn(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.off += d
}

// app is a web application with TLS, and a test server for its logins.
type app struct {
	*httptest.Server
	as    *optest.Server
	login *login.Login
	clock *clock
	log   *lockedBuffer
}

type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

// setting is the configuration that a test changes.
type setting struct {
	as     *optest.Server // nil: a new one
	client func(*client.Config)
	config func(*login.Config)
	plain  bool // http
	other  *app // another application whose address this one has: a second process
}

func start(t testing.TB, set setting) *app {
	t.Helper()
	a := &app{as: set.as, clock: &clock{}, log: &lockedBuffer{}}
	if a.as == nil {
		a.as = optest.New(t)
	}
	mux := http.NewServeMux()
	a.Server = httptest.NewUnstartedServer(mux)
	a.Config.ErrorLog = log.New(io.Discard, "", 0) // drops errors of TLS handshakes that a test has abandoned
	if set.plain {
		a.Server.Start()
	} else {
		a.Server.StartTLS()
	}
	t.Cleanup(a.Close)
	base := a.URL
	if set.other != nil {
		base, a.clock = set.other.URL, set.other.clock
	}
	a.as.Lock()
	a.as.Now = a.clock.now
	a.as.Unlock()
	cfg := client.Config{
		Issuer: a.as.URL, ClientID: optest.ClientID, Auth: auth.SecretBasic(optest.ClientSecret),
		RedirectURL: base + "/callback", PostLogoutRedirectURL: base + "/bye", Now: a.clock.now,
	}
	if set.client != nil {
		set.client(&cfg)
	}
	c, err := client.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	config := login.Config{
		Clients: map[string]*client.Client{"main": c}, Keys: [][]byte{key("a")}, Now: a.clock.now, InsecureHTTP: set.plain,
		Log: slog.New(slog.NewTextHandler(a.log, nil)),
	}
	if set.config != nil {
		set.config(&config)
	}
	if a.login, err = login.New(config); err != nil {
		t.Fatal(err)
	}
	a.mount(mux)
	return a
}

func (a *app) mount(mux *http.ServeMux) {
	l := a.login
	mux.Handle("/login", l.Start())
	mux.Handle("/login/{client}", l.Start())
	mux.Handle("/callback", l.Callback())
	mux.Handle("/callback/{n}", l.Callback())
	mux.Handle("/logout", l.Logout())
	mux.Handle("/bye", l.LoggedOut())
	mux.Handle("/initiate", l.Initiated())
	mux.Handle("/backchannel", l.BackchannelLogout())
	mux.Handle("/frontchannel", l.FrontchannelLogout())
	mux.Handle("/token", l.Require(http.HandlerFunc(accessToken)))
	mux.Handle("/device-session", l.DeviceSession())
	mux.Handle("/bound/", l.RequireDevice(http.HandlerFunc(whoAmI)))
	mux.Handle("/private/", l.Require(http.HandlerFunc(whoAmI)))
	mux.Handle("/", l.Identify(http.HandlerFunc(whoAmI)))
}

// whoAmI shows the signed-in user and the path.
func whoAmI(w http.ResponseWriter, r *http.Request) {
	user, ok := login.FromContext(r.Context())
	if !ok {
		fmt.Fprintf(w, "nobody at %s", r.RequestURI)
		return
	}
	fmt.Fprintf(w, "%s at %s", user.Subject, r.RequestURI)
}

// accessToken shows the access token. No application should do that.
func accessToken(w http.ResponseWriter, r *http.Request) {
	user, _ := login.FromContext(r.Context())
	issued, err := user.Tokens(r.Context())
	switch {
	case errors.Is(err, tokens.ErrLoginRequired):
		http.Error(w, "login required", http.StatusForbidden)
	case err != nil:
		http.Error(w, err.Error(), http.StatusServiceUnavailable)
	default:
		io.WriteString(w, issued.AccessToken)
	}
}

// browser keeps cookies and follows redirects.
type browser struct {
	*http.Client
	t testing.TB
}

func (a *app) browser(t testing.TB) *browser {
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	hc := *a.Client()
	hc.Jar = jar
	return &browser{&hc, t}
}

// still returns the same browser. It stops at the first response.
func (b *browser) still() *browser {
	hc := *b.Client
	hc.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return &browser{&hc, b.t}
}

// page is a response whose body was read.
type page struct {
	status int
	body   string
	at     *url.URL // where the browser ended
	header http.Header
}

// text is the body without the head of the page.
func (p page) text() string {
	if _, main, ok := strings.Cut(p.body, "<main>"); ok {
		return main
	}
	return p.body
}

func (b *browser) do(r *http.Request) page {
	b.t.Helper()
	resp, err := b.Do(r)
	if err != nil {
		b.t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		b.t.Fatal(err)
	}
	return page{resp.StatusCode, string(body), resp.Request.URL, resp.Header}
}

func (b *browser) get(u string) page {
	b.t.Helper()
	return b.do(b.request(http.MethodGet, u, nil))
}

func (b *browser) post(u string, form url.Values) page {
	b.t.Helper()
	return b.do(b.request(http.MethodPost, u, form))
}

func (b *browser) request(method, u string, form url.Values) *http.Request {
	b.t.Helper()
	r, err := http.NewRequestWithContext(b.t.Context(), method, u, strings.NewReader(form.Encode()))
	if err != nil {
		b.t.Fatal(err)
	}
	if form != nil {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	return r
}

// signIn makes a complete login, and fails the test if the login fails.
func (b *browser) signIn(a *app) {
	b.t.Helper()
	if p := b.get(a.URL + "/private/"); p.status != 200 || p.body != "alice at /private/" {
		b.t.Fatalf("signing in ends with %d at %s: %s\n%s", p.status, p.at.Path, p.text(), a.log)
	}
}

// begin follows a login until the redirect to the callback, and returns the callback's address.
func (b *browser) begin(a *app, start string) string {
	b.t.Helper()
	p := b.still().get(a.URL + start)
	if p.status != http.StatusSeeOther {
		b.t.Fatalf("begin: %d %s\n%s", p.status, p.body, a.log)
	}
	p = b.still().get(p.header.Get("Location"))
	return p.header.Get("Location")
}

func (b *browser) cookies(a *app) []*http.Cookie {
	u, _ := url.Parse(a.URL)
	return b.Jar.Cookies(u)
}

func (b *browser) cookie(a *app, name string) string {
	for _, c := range b.cookies(a) {
		if c.Name == name {
			return c.Value
		}
	}
	return ""
}

// plant sets a cookie, or removes it if value is "".
func (b *browser) plant(a *app, name, value string) {
	u, _ := url.Parse(a.URL)
	c := &http.Cookie{Name: name, Value: value, Path: "/", Secure: true}
	if value == "" {
		c.MaxAge = -1
	}
	b.Jar.SetCookies(u, []*http.Cookie{c})
}

func (b *browser) want(got page, status int, text string) {
	b.t.Helper()
	if got.status != status || !strings.Contains(got.body, text) {
		b.t.Errorf("%d at %s, want %d and %q:\n%s", got.status, got.at.Path, status, text, got.text())
	}
}

// decode reads JSON.
func decode(resp *http.Response, v any) error { return json.NewDecoder(resp.Body).Decode(v) }
