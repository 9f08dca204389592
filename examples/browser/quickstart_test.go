package browser

import (
	"bufio"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
)

// quickstart builds and starts the program, and returns the printed addresses.
func quickstart(t *testing.T, args ...string) (app, server, api string) {
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
	cmd := exec.Command(program, args...)
	cmd.Stderr = t.Output()
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cmd.Process.Kill(); cmd.Wait() })
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
	return found[0], found[1], found[2]
}

// The test fails if the page lacks the text.
func (p *person) want(text string) {
	p.t.Helper()
	if !strings.Contains(p.text(), text) {
		p.t.Fatalf("at %s the page lacks %q:\n%s", p.at(), text, p.text())
	}
}

// wantFocus fails the test if the first press of the Tab key shows no outline.
func (p *person) wantFocus() {
	p.t.Helper()
	p.do("Tab", chromedp.KeyEvent(kb.Tab))
	if !read(p, "focus", chromedp.Evaluate[bool](`document.activeElement != document.body && getComputedStyle(document.activeElement).outlineStyle == "solid"`)) {
		p.t.Errorf("at %s the keyboard's focus cannot be seen", p.at())
	}
}

// TestQuickstart opens all pages of the quickstart.
func TestQuickstart(t *testing.T) {
	app, server, api := quickstart(t)
	p := newPerson(t, nil, "")
	visit := func(address string) int { return p.load(address, chromedp.Navigate(address)) }
	visit(app)
	p.want("Three parties")
	p.picture("quickstart-home")
	p.wantFocus()
	p.click("a.button")
	p.want("Continue as")
	p.picture("quickstart-sign-in")
	p.wantFocus()
	p.click(`button[value="` + alice.Subject + `"]`)
	p.want("See the photos in your photo album")
	p.picture("quickstart-consent")
	p.wantFocus()
	p.click(`button[value="allow"]`)
	p.want("Hello, Alice Liddell")
	if rows := read(p, "rows", chromedp.Evaluate[int](`document.querySelectorAll("#report tbody tr > th[scope=row]").length`)); rows != 14 {
		t.Errorf("%d steps in the table", rows)
	}
	p.picture("quickstart-result")
	p.wantFocus()
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

// TestQuickstartProblems: the error pages.
func TestQuickstartProblems(t *testing.T) {
	app, _, _ := quickstart(t, "-scopes", "openid")
	p := newPerson(t, nil, "")
	visit := func(address string) int { return p.load(address, chromedp.Navigate(address)) }
	visit(app + "/photos")
	p.click(`button[value="cancel"]`)
	p.want("You were not signed in")
	p.picture("quickstart-denied")
	visit(app + "/callback?code=x&state=y")
	p.want("This sign-in is not valid here")
	p.picture("quickstart-unknown")
	p.click("a.button")
	if status := p.fill(); status != 200 {
		t.Errorf("status %d", status)
	}
	if status := visit(app + "/photos"); status != 502 {
		t.Errorf("a token without scope: status %d", status)
	}
	p.want("insufficient_scope")
	p.picture("quickstart-refused")
}
