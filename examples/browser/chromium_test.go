package browser

import (
	"context"
	"fmt"
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

// pictures is the directory of the pictures.
const pictures = "../../.cache/browser"

// picture photographs the page in two widths. It fails the test if a narrow page is wider than
// the screen.
func (p *person) picture(name string) {
	p.t.Helper()
	if err := os.MkdirAll(pictures, 0o755); err != nil {
		p.t.Fatal(err)
	}
	for _, width := range []int64{360, 1280} {
		for _, scheme := range []string{"light", "dark"} {
			p.variant(name, width, scheme)
		}
	}
	p.scheme("")
	p.do("resize", chromedp.ResetViewport())
	for what, is := range accessible {
		if !read(p, what, chromedp.Evaluate[bool](is)) {
			p.t.Errorf("%s: not so: %s", name, what)
		}
	}
}

// variant photographs the page in one width and one color scheme.
func (p *person) variant(name string, width int64, scheme string) {
	p.t.Helper()
	p.scheme(scheme)
	p.do("resize", chromedp.EmulateViewport(width, 800))
	if wide := read(p, "width", chromedp.Evaluate[int64]("document.documentElement.scrollWidth")); wide > width {
		p.t.Errorf("%s is %d wide on a screen of %d", name, wide, width)
	}
	if pale := read(p, "contrast", chromedp.Evaluate[string](contrast)); pale != "" {
		p.t.Errorf("%s, %s: the contrast is too low: %s", name, scheme, pale)
	}
	png := read(p, "picture", chromedp.FullScreenshot(100))
	if err := os.WriteFile(filepath.Join(pictures, fmt.Sprintf("%s-%d-%s.png", name, width, scheme)), png, 0o644); err != nil {
		p.t.Fatal(err)
	}
}

// scheme sets the visitor's color scheme: "light", "dark", or "" for none.
func (p *person) scheme(scheme string) {
	p.t.Helper()
	p.do("color scheme", chromedp.Func(func(ctx context.Context, t *chromedp.Target) error {
		features := []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}}
		_, err := cdp.Call(ctx, t, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Features: features})
		return err
	}))
}

// contrast returns the texts with a contrast below 4.5 (WCAG 2.2, success criterion 1.4.3).
const contrast = `(() => {
  const channels = c => { const m = c.match(/[\d.]+/g).map(Number); return { rgb: m.slice(0, 3), alpha: m.length > 3 ? m[3] : 1 } };
  const light = rgb => rgb.map(v => v / 255).map(v => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4)
    .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
  const dark = matchMedia("(prefers-color-scheme: dark)").matches && getComputedStyle(document.documentElement).colorScheme.includes("dark");
  const behind = e => {
    for (; e; e = e.parentElement) { const c = channels(getComputedStyle(e).backgroundColor); if (c.alpha == 1) return c.rgb; if (c.alpha != 0) return [127, 127, 127] }
    return dark ? [18, 18, 18] : [255, 255, 255];
  };
  const pale = [], walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walk.nextNode()) {
    const text = walk.currentNode.data.trim(), e = walk.currentNode.parentElement;
    if (!text || ["SCRIPT", "STYLE", "NOSCRIPT"].includes(e.tagName) || !e.getClientRects().length) continue;
    const [a, b] = [light(channels(getComputedStyle(e).color).rgb), light(behind(e))].sort((x, y) => y - x);
    if ((a + 0.05) / (b + 0.05) < 4.5) pale.push(text);
  }
  return pale.join(" | ");
})()`

// accessible checks that the page has a language, a title and a heading, and that its policy
// allows its own style.
var accessible = map[string]string{
	"a language":              `document.documentElement.lang == "en"`,
	"a title":                 `document.title != ""`,
	"one heading":             `document.querySelectorAll("h1").length == 1`,
	"a main part":             `document.querySelectorAll("main").length == 1`,
	"a label for every input": `[...document.querySelectorAll("input:not([type=hidden])")].every(i => i.labels.length == 1)`,
	"its style":               `[...document.styleSheets].some(s => s.cssRules.length > 0)`,
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
