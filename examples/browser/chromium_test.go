package browser

import (
	"context"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"
)

// patience is how long a step may take; the machine may be busy.
const patience = 2 * time.Minute

// browserPath is the Chromium to run; without one the tests are skipped.
var browserPath = os.Getenv("COUNTERSIGN_BROWSER")

// person uses a new browser without cookies and history.
type person struct {
	t   *testing.T
	s   *site
	ctx context.Context
}

// newPerson starts a browser. preferences are for a Chromium profile, or "".
func newPerson(t *testing.T, s *site, preferences string) *person {
	t.Helper()
	if browserPath == "" {
		t.Skip("no browser: make browser")
	}
	profile := t.TempDir()
	if preferences != "" {
		if err := os.MkdirAll(filepath.Join(profile, "Default"), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(profile, "Default", "Preferences"), []byte(preferences), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	options := append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.ExecPath(browserPath), chromedp.NoSandbox, chromedp.DisableGPU, chromedp.UserDataDir(profile),
		chromedp.Flag("disable-quic", true), chromedp.Flag("disable-component-update", true),
		chromedp.Flag("host-resolver-rules", "MAP "+appHost+" 127.0.0.1, MAP "+serverHost+" 127.0.0.1"),
		chromedp.Flag("ignore-certificate-errors-spki-list", keyHash()),
		// Keys of device bound sessions in software: this machine may have no TPM.
		chromedp.Flag("enable-features", "DeviceBoundSessions,EnableBoundSessionCredentialsSoftwareKeysForManualTesting"),
	)
	allocator, stop := chromedp.NewExecAllocator(context.Background(), options...)
	t.Cleanup(stop)
	return (&person{t, s, allocator}).tab()
}

// tab opens another tab in the browser, or the first one.
func (p *person) tab() *person {
	p.t.Helper()
	ctx, end := chromedp.NewContext(p.ctx)
	p.t.Cleanup(end)
	if err := chromedp.Do(ctx); err != nil { // the browser ends with the context of the first call
		p.t.Fatal(err)
	}
	return &person{p.t, p.s, ctx}
}

// do runs steps in order.
func (p *person) do(what string, steps ...chromedp.Action[chromedp.Void]) {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.ctx, patience)
	defer cancel()
	if err := settled(func() error { return chromedp.Do(ctx, steps...) }); err != nil {
		p.t.Fatalf("%s: %v", what, err)
	}
}

// settled repeats a query while the browser replaces one page by another.
func settled(ask func() error) (err error) {
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(100 * time.Millisecond) {
		if err = ask(); err == nil || !isReplaced(err) {
			break
		}
	}
	return err
}

// isReplaced reports whether a page was left during the query.
func isReplaced(err error) bool {
	return strings.Contains(err.Error(), "Not attached to an active page") || strings.Contains(err.Error(), "Inspected target navigated or closed")
}

// load runs steps that lead to another page, and returns its HTTP status.
func (p *person) load(what string, steps ...chromedp.Action[chromedp.Void]) int {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.ctx, patience)
	defer cancel()
	resp, err := chromedp.RunResponse(ctx, steps...)
	if err != nil {
		p.t.Fatalf("%s: %v", what, err)
	}
	return int(resp.Status)
}

// read returns the result of an action.
func read[T any](p *person, what string, action chromedp.Action[T]) T {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.ctx, patience)
	defer cancel()
	var v T
	err := settled(func() (err error) { v, err = chromedp.Run(ctx, action); return err })
	if err != nil {
		p.t.Fatalf("%s: %v", what, err)
	}
	return v
}

// open goes to a path of the application.
func (p *person) open(path string) int {
	p.t.Helper()
	return p.load("open "+path, chromedp.Navigate(p.s.app+path))
}

func (p *person) click(id string) int {
	p.t.Helper()
	return p.load("click "+id, chromedp.Click(chromedp.CSS(id)))
}

func (p *person) reload() int {
	p.t.Helper()
	return p.load("reload", chromedp.Reload())
}

// back goes back, and waits for the other page. The browser has it in memory, or loads it.
func (p *person) back() {
	p.t.Helper()
	before := read(p, "history", chromedp.NavigationEntries()).CurrentIndex
	p.do("back", chromedp.Func(func(ctx context.Context, t *chromedp.Target) error {
		entries, err := chromedp.NavigationEntries()(ctx, t)
		if err != nil {
			return err
		}
		_, err = cdp.Call(ctx, t, page.NavigateToHistoryEntry, page.NavigateToHistoryEntryParams{EntryID: entries.Entries[before-1].ID})
		return err
	}))
	p.eventually("back", func() bool {
		return read(p, "history", chromedp.NavigationEntries()).CurrentIndex < before &&
			read(p, "state", chromedp.Evaluate[string]("document.readyState")) == "complete"
	})
}

func (p *person) eventually(what string, so func() bool) {
	p.t.Helper()
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(100 * time.Millisecond) {
		if so() {
			return
		}
	}
	p.t.Fatalf("%s: it does not come to be", what)
}

// choose selects alice in the server's form.
func (p *person) choose() int {
	p.t.Helper()
	return p.click(`button[value="` + alice.Subject + `"]`)
}

// fill fills in the server's form, and allows the requested scopes.
func (p *person) fill() int {
	p.t.Helper()
	p.choose()
	return p.click(`button[value="allow"]`)
}

// at returns the host and the path of the current page.
func (p *person) at() *url.URL {
	p.t.Helper()
	u, err := url.Parse(read(p, "location", chromedp.Location()))
	if err != nil {
		p.t.Fatal(err)
	}
	return u
}

func (p *person) text() string {
	p.t.Helper()
	return read(p, "text", chromedp.Evaluate[string]("document.body.innerText"))
}

// wantForm fails the test if the page is not the server's login form.
func (p *person) wantForm() {
	p.t.Helper()
	if p.at().Hostname() != serverHost || !strings.Contains(p.text(), "Continue as") {
		p.t.Fatalf("not at the server's form, but at %s:\n%s", p.at(), p.text())
	}
}

// wantUser fails the test if the page is not the application's, with alice signed in.
func (p *person) wantUser(path string) {
	p.t.Helper()
	if p.s.app+path != p.at().String() || !strings.Contains(p.text(), "You are "+alice.Subject) {
		p.t.Fatalf("not alice at %s, but at %s:\n%s", path, p.at(), p.text())
	}
}

// wantNobody fails the test if the page is not the application's home page without a user.
func (p *person) wantNobody() {
	p.t.Helper()
	p.open("/")
	if !strings.Contains(p.text(), "You are nobody") {
		p.t.Fatalf("somebody is signed in:\n%s", p.text())
	}
}

// wantProblem fails the test if the page is not an error page of the application.
func (p *person) wantProblem(code string) {
	p.t.Helper()
	if p.at().Hostname() != appHost || !strings.Contains(p.text(), code) {
		p.t.Fatalf("no problem %s at %s:\n%s", code, p.at(), p.text())
	}
}

// withoutScripts disables scripts.
func (p *person) withoutScripts() {
	p.t.Helper()
	p.do("scripts off", chromedp.Func(func(ctx context.Context, t *chromedp.Target) error {
		_, err := cdp.Call(ctx, t, emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: true})
		return err
	}))
}

// wantCookies checks that scripts, http and other hosts cannot read the application's cookies.
// WEB-01.
func (p *person) wantCookies() {
	p.t.Helper()
	all := read(p, "cookies", func(ctx context.Context, t *chromedp.Target) (network.GetCookiesResult, error) {
		return cdp.Call(ctx, t, network.GetCookies, network.GetCookiesParams{URLs: []string{p.s.app}})
	})
	if len(all.Cookies) == 0 {
		p.t.Error("no cookies")
	}
	for _, c := range all.Cookies {
		if !strings.HasPrefix(c.Name, "__Host-") || !c.Secure || !c.HTTPOnly || c.Path != "/" || c.Domain != appHost {
			p.t.Errorf("cookie %s: secure %v, for http alone %v, at %s%s", c.Name, c.Secure, c.HTTPOnly, c.Domain, c.Path)
		}
	}
}
