package browser

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"github.com/countersign/countersign/client/login"
	"github.com/countersign/countersign/discovery"
	"github.com/countersign/countersign/discovery/issuertest"
	"github.com/countersign/countersign/examples/internal/spa"
	"github.com/countersign/countersign/rs"
)

// api is the API that the page calls. It verifies every token, and requires a stronger login for
// originals.
type api struct {
	*httptest.Server
	called atomic.Int32
	reject atomic.Bool // rejects the next token, as if it were revoked
}

func startAPI(t *testing.T, s *site) *api {
	t.Helper()
	a := &api{}
	answer := func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		p, ok := rs.FromContext(r.Context())
		if !ok {
			http.Error(w, "no token", http.StatusUnauthorized)
			return
		}
		fmt.Fprintf(w, "%s %s for %s, cookies %d %s", r.Method, r.URL.Path, p.Subject, len(r.Cookies()), body)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("/photos", answer)
	mux.Handle("/originals", rs.RequireACR("gold")(http.HandlerFunc(answer)))
	provider := &discovery.Provider{Issuer: s.issuer, HTTP: toLoopback()}
	protected := (&rs.Protection{Tokens: &rs.JWT{Issuer: s.issuer, Audience: issuertest.Audience, Keys: provider.Keys()}}).Handler(mux)
	a.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		a.called.Add(1)
		if a.reject.CompareAndSwap(true, false) {
			w.Header().Set("WWW-Authenticate", `Bearer error="invalid_token"`)
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		protected.ServeHTTP(w, r)
	}))
	t.Cleanup(a.Close)
	return a
}

// wantAnswer presses a button, and waits for the text on the page.
func (p *person) wantAnswer(button, want string) {
	p.t.Helper()
	p.do("press "+button, chromedp.Click(chromedp.CSS(button)))
	p.wantShown(want)
}

func (p *person) wantShown(want string) {
	p.t.Helper()
	text := ""
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(100 * time.Millisecond) {
		if text = p.text(); strings.Contains(text, want) {
			return
		}
	}
	p.t.Fatalf("at %s the page does not show %q:\n%s", p.at(), want, text)
}

// TestSinglePage: sign in, call, refresh, step up, sign out, and a request from another origin.
func TestSinglePage(t *testing.T) {
	s := startSite(t, "", func(c *login.Config) { c.KeepTokens = true })
	a := startAPI(t, s)
	page, err := spa.Handler(s.login, a.URL)
	if err != nil {
		t.Fatal(err)
	}
	s.mu.Lock()
	s.processes = []http.Handler{page}
	s.mu.Unlock()
	p := newPerson(t, s, "")
	p.open("/")
	p.wantShown("You are nobody.")
	p.picture("spa-nobody")
	p.click("#in")
	p.fill()
	p.wantShown("You are " + alice.Subject)
	p.wantCookies()
	p.wantAnswer("#photos", "GET /photos for "+alice.Subject+", cookies 0")
	p.wantAnswer("#upload", "POST /photos for "+alice.Subject+", cookies 0 a photo")
	p.picture("spa-user")

	a.reject.Store(true)
	before := a.called.Load()
	p.wantAnswer("#photos", "GET /photos for "+alice.Subject)
	if n := a.called.Load() - before; n != 2 {
		t.Errorf("the API was called %d times, want 2: with the rejected token and with a refreshed one", n)
	}

	p.do("press #originals", chromedp.Click(chromedp.CSS("#originals")))
	p.eventually("the server's form", func() bool { return p.at().Hostname() == serverHost })
	p.fill()
	p.wantShown("You are " + alice.Subject)
	p.wantAnswer("#originals", "GET /originals for "+alice.Subject)

	for _, what := range []string{"document.cookie", "JSON.stringify(localStorage)", "JSON.stringify(sessionStorage)"} {
		if got := read(p, what, chromedp.Evaluate[string](what)); got != "" && got != "{}" {
			t.Errorf("%s is %s", what, got)
		}
	}

	before = a.called.Load()
	other := p.tab()
	other.load("another site", chromedp.Navigate(s.issuer+"/.well-known/openid-configuration"))
	for _, script := range []string{
		`fetch("` + s.app + `/api/photos", {credentials: "include"})`,
		`fetch("` + s.app + `/api/photos", {method: "POST", mode: "no-cors", credentials: "include", body: "x"})`,
		`fetch("` + s.app + `/session", {credentials: "include"})`,
	} {
		got := read(other, script, chromedp.Evaluate[string](script+`.then(async r => r.type == "opaque" ? "opaque" : await r.text(), () => "blocked")`, chromedp.EvalAwaitPromise))
		if got != "blocked" && got != "opaque" {
			t.Errorf("%s reads %q", script, got)
		}
	}
	if n := a.called.Load(); n != before {
		t.Errorf("another origin has called the API %d times", n-before)
	}

	p.do("press sign out", chromedp.Click(chromedp.CSS("#out button")))
	p.eventually("the server's page", func() bool { return p.at().Hostname() == serverHost })
	p.open("/")
	p.wantShown("You are nobody.")
	p.do("call the API", chromedp.Evaluate[chromedp.Void](`document.getElementById("photos").click()`))
	p.wantShown("Not done: login_required")
}
