package browser

import (
	"bufio"
	"context"
	"fmt"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"

	"github.com/chromedp/chromedp"
)

// buildQuickstart builds the program, and returns its path.
func buildQuickstart(t *testing.T) string {
	t.Helper()
	if browserPath == "" {
		t.Skip("no browser: make browser")
	}
	program := filepath.Join(t.TempDir(), "quickstart")
	build := exec.Command("go", "build", "-o", program, "./quickstart")
	build.Dir = ".."
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return program
}

// parties are the addresses of a quickstart, and end ends it.
type parties struct {
	app, server, api string
	end              func()
}

// startQuickstart starts the program.
func startQuickstart(t *testing.T, program string, args ...string) parties {
	t.Helper()
	cmd := exec.Command(program, args...)
	cmd.Stderr = t.Output()
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	end := sync.OnceFunc(func() { cmd.Process.Kill(); cmd.Wait() })
	t.Cleanup(end)
	lines := bufio.NewScanner(out)
	lines.Scan()
	first := lines.Text()
	go func() { // so that the program never waits for a reader
		for lines.Scan() {
		}
	}()
	found := regexp.MustCompile(`http://127\.0\.0\.1:\d+`).FindAllString(first, -1)
	if len(found) != 3 {
		t.Fatalf("it prints %q, expected three addresses", first)
	}
	return parties{found[0], found[1], found[2], end}
}

// The test fails if the page lacks the text.
func (p *person) want(text string) {
	p.t.Helper()
	if !strings.Contains(p.text(), text) {
		p.t.Fatalf("at %s the page lacks %q:\n%s", p.at(), text, p.text())
	}
}

// TestQuickstart opens all pages of the quickstart.
func TestQuickstart(t *testing.T) {
	all := startQuickstart(t, buildQuickstart(t))
	app, server, api := all.app, all.server, all.api
	p := newPerson(t, nil, "")
	visit := func(address string) int { return p.load(address, chromedp.Navigate(address)) }
	visit(app)
	p.want("Three parties")
	p.picture("quickstart-home")
	p.click("a.button")
	p.want("Continue as")
	p.picture("quickstart-sign-in")
	p.click(`button[value="` + alice.Subject + `"]`)
	p.want("See the photos in your photo album")
	p.picture("quickstart-consent")
	p.click(`button[value="allow"]`)
	p.want("Hello, Alice Liddell")
	if rows := read(p, "rows", chromedp.Evaluate[int](`document.querySelectorAll("#report tbody tr > th[scope=row]").length`)); rows != 14 {
		t.Errorf("%d steps in the table", rows)
	}
	p.picture("quickstart-result")
	p.readmePicture()
	visit(app)
	p.picture("quickstart-home-user")
	p.click(".bar button")
	p.want("You are signed out.")
	p.picture("quickstart-signed-out")
	for name, address := range map[string]string{"app": app, "server": server, "api": api} {
		if status := visit(address + "/nowhere"); status != 404 {
			t.Errorf("%s: status %d", name, status)
		}
		p.want("Page not found")
		p.picture("quickstart-404-" + name)
	}
	visit(api)
	p.want("This is an API")
	p.picture("quickstart-api")
}

// shows opens an address, and photographs the page, which must have the status and the text.
func (p *person) shows(name, address string, status int, text string) {
	p.t.Helper()
	if got := p.load(address, chromedp.Navigate(address)); got != status {
		p.t.Errorf("%s: status %d, expected %d", name, got, status)
	}
	p.want(text)
	p.picture(name)
}

// post posts a form to an address from the current page, as another site can.
func (p *person) post(address string) int {
	p.t.Helper()
	script := fmt.Sprintf(`(() => { const f = document.createElement("form"); f.method = "post"; f.action = %q; document.body.append(f); f.submit(); return true })()`, address)
	return p.load("post", chromedp.Func(func(ctx context.Context, t *chromedp.Target) error {
		_, err := chromedp.Evaluate[bool](script)(ctx, t)
		return err
	}))
}

// TestQuickstartProblems: the error pages of the application and of the server.
func TestQuickstartProblems(t *testing.T) {
	program := buildQuickstart(t)
	all := startQuickstart(t, program, "-scopes", "openid")
	p := newPerson(t, nil, "")
	p.load(all.app, chromedp.Navigate(all.app+"/photos"))
	p.click(`button[value="cancel"]`)
	p.want("You were not signed in")
	p.picture("quickstart-denied")
	p.load(all.app, chromedp.Navigate(all.app+"/photos"))
	p.choose()
	p.click(`button[value="cancel"]`)
	p.want("access_denied")
	p.shows("quickstart-unknown", all.app+"/callback?code=x&state=y", 400, "This sign-in is not valid here")
	p.shows("quickstart-method", all.app+"/logout", 405, "This link does not work")
	p.shows("quickstart-link", all.app+"/login?return_to=x&client=nobody", 400, "This link does not work")
	p.shows("quickstart-logout", all.app+"/signed-out?state=x", 400, "You are signed out here")
	p.shows("quickstart-server-error", all.server+"/authorize?client_id=nobody", 400, "This request cannot be answered")
	p.shows("quickstart-server-used", all.server+"/consent?id=x", 400, "This page was used")
	p.load(all.api, chromedp.Navigate(all.api))
	if status := p.post(all.app + "/logout"); status != 403 {
		t.Errorf("a post of another site: status %d", status)
	}
	p.want("It came from another site")
	p.picture("quickstart-cross-origin")
	p.load(all.app, chromedp.Navigate(all.app+"/photos"))
	if status := p.fill(); status != 502 {
		t.Errorf("a token without scope: status %d", status)
	}
	p.want("insufficient_scope")
	p.picture("quickstart-refused")
}

// TestQuickstartServerProblems: the error pages if the application is registered with another
// secret, and if the server is down.
func TestQuickstartServerProblems(t *testing.T) {
	program := buildQuickstart(t)
	embedded := startQuickstart(t, program)
	other := startQuickstart(t, program, "-issuer", embedded.server, "-client-id", "print-shop", "-client-secret", "wrong-secret", "-listen", "127.0.0.1:0")
	p := newPerson(t, nil, "")
	p.shows("quickstart-configuration", other.app+"/photos", 500, "invalid_client")
	if strings.Contains(p.text(), "wrong-secret") {
		t.Error("the page has the secret")
	}
	embedded.end()
	p.shows("quickstart-unavailable", other.app+"/photos", 503, "connection refused")
}

// TestQuickstartWithoutCookies: the visitor sees that cookies are missing.
func TestQuickstartWithoutCookies(t *testing.T) {
	all := startQuickstart(t, buildQuickstart(t))
	p := newPerson(t, nil, withoutCookies)
	p.load(all.app, chromedp.Navigate(all.app+"/photos"))
	p.fill()
	p.want("your browser blocks cookies")
	p.picture("quickstart-cookies")
}
