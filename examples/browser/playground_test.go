package browser

import (
	"bufio"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"

	"github.com/countersign/countersign/discovery/issuertest"
	"github.com/countersign/countersign/internal/freeport"
)

// startPlayground builds and starts the command, and returns the printed address.
func startPlayground(t *testing.T, args ...string) string {
	t.Helper()
	if browserPath == "" {
		t.Skip("no browser: make browser")
	}
	program := filepath.Join(t.TempDir(), "countersign")
	build := exec.Command("go", "build", "-o", program, ".")
	build.Dir = "../../cmd/countersign"
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	ctx, cancel := context.WithCancel(context.Background())
	command := exec.CommandContext(ctx, program, append([]string{"playground", "-no-browser"}, args...)...)
	command.Cancel = func() error { return command.Process.Signal(os.Interrupt) }
	command.WaitDelay = 5 * time.Second
	out, err := command.StdoutPipe()
	if err == nil {
		err = command.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cancel(); command.Wait() })
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		if strings.HasPrefix(lines.Text(), "http://127.0.0.1:") {
			return lines.Text()
		}
	}
	t.Fatal("no address was printed")
	return ""
}

// count returns the number of matching elements.
func (p *person) count(selector string) int {
	p.t.Helper()
	return int(read(p, selector, chromedp.Evaluate[int64](`document.querySelectorAll('`+selector+`').length`)))
}

// press clicks a button of the playground, and waits for the result.
func (p *person) press(selector string) {
	p.t.Helper()
	p.do("press "+selector, chromedp.EvaluateAsDevTools[chromedp.Void](`(() => { document.getElementById("result").dataset.old = "yes"; document.querySelector('`+selector+`').click() })()`))
	p.eventually(selector, func() bool {
		return read(p, "fresh", chromedp.Evaluate[bool](`!document.getElementById("result").dataset.old && !document.body.classList.contains("busy")`))
	})
}

// narrow opens every message. On a narrow screen no element may be cut off or wider than the page.
func (p *person) narrow(name string) {
	p.t.Helper()
	p.do("open all", chromedp.EvaluateAsDevTools[chromedp.Void](`for (const d of document.querySelectorAll("details")) d.open = true`))
	p.do("resize", chromedp.EmulateViewport(360, 800))
	const cut = `[...document.querySelectorAll("main *:not(.unseen)")].filter(e => e.scrollWidth > e.clientWidth + 1 && getComputedStyle(e).display != "inline" && !["auto", "scroll"].includes(getComputedStyle(e).overflowX)).map(e => e.tagName + "." + e.className + ": " + e.textContent.slice(0, 40)).slice(0, 3).join("; ")`
	if wide := read(p, "width", chromedp.Evaluate[int64]("document.documentElement.scrollWidth")); wide > 360 {
		p.t.Errorf("%s is %d wide on a screen of 360", name, wide)
	}
	if found := read(p, "cut off", chromedp.Evaluate[string](cut)); found != "" {
		p.t.Errorf("%s: cut off: %s", name, found)
	}
	p.do("close all", chromedp.EvaluateAsDevTools[chromedp.Void](`for (const d of document.querySelectorAll("details")) d.open = false; scrollTo(0, 0)`))
	p.do("resize", chromedp.ResetViewport())
}

// TestPlayground runs every switch and every attack, and makes pictures of the page.
func TestPlayground(t *testing.T) {
	address := startPlayground(t)
	p := newPerson(t, nil, "")
	p.load("open", chromedp.Navigate(address))
	if at := p.at(); at.RawQuery != "" {
		t.Errorf("the key is still in the address: %s", at)
	}
	ids := strings.Split(read(p, "switches", chromedp.Evaluate[string](`[...document.querySelectorAll(".switch input")].map(i => i.name).join()`)), ",")
	attacks := strings.Split(read(p, "attacks", chromedp.Evaluate[string](`[...document.querySelectorAll(".attacks button")].map(b => b.value).join()`)), ",")
	if len(ids) < 17 || len(attacks) < 13 {
		t.Fatalf("switches %q, attacks %q", ids, attacks)
	}
	for _, id := range ids {
		p.do("switch "+id, chromedp.EvaluateAsDevTools[chromedp.Void](`for (const i of document.querySelectorAll(".switch input")) i.checked = i.name == "`+id+`"`))
		p.press("#run")
		if text := p.text(); strings.Contains(text, "did not start") || p.count("#steps li") != 14 || p.count("#steps .failed") != 0 || p.count("#lines") != 1 || p.count(".diagram li") < 5 {
			t.Errorf("switch %s:\n%s", id, text)
		}
		asks := id == "opaque" || id == "introspection" // the API does not check the token by itself
		if rows := p.count("#rows li"); asks != (rows == 0) || !asks && (rows != 14 || p.count("#rows .failed") != 0) {
			t.Errorf("switch %s: %d rows of the API:\n%s", id, rows, p.text())
		}
		p.narrow("switch " + id)
		p.picture("playground-switch-" + id)
	}
	for _, id := range attacks {
		p.press(`.attacks button[value="` + id + `"]`)
		outcome := read(p, "outcome", chromedp.Text(chromedp.CSS("#outcome")))
		if p.count("#verdict.good") != 1 || !strings.Contains(outcome, "Rejected") || strings.Contains(outcome, "NOT") {
			t.Errorf("attack %s: %s", id, outcome)
		}
		for _, part := range []string{"#step", "#screen", "#log", "#without"} {
			if read(p, part, chromedp.Text(chromedp.CSS(part))) == "" {
				t.Errorf("attack %s: %s is empty", id, part)
			}
		}
		p.narrow("attack " + id)
		p.picture("playground-attack-" + id)
	}
	p.press(`.attacks button[value="nonce"]`)
	p.do("have the focus", chromedp.Func(func(ctx context.Context, t *chromedp.Target) error {
		_, err := cdp.Call(ctx, t, emulation.SetFocusEmulationEnabled, emulation.SetFocusEmulationEnabledParams{Enabled: true})
		return err
	}))
	p.do("open a message and a step", chromedp.EvaluateAsDevTools[chromedp.Void](`document.querySelectorAll("details")[2].open = true; document.querySelector('[data-step="11"]').focus({preventScroll: true})`))
	if p.count(".claims .lit") == 0 {
		t.Error("step 11 highlights no claim")
	}
	p.press("#run")
	p.do("move to a row", chromedp.EvaluateAsDevTools[chromedp.Void](`document.querySelector('[data-step="a5"]').focus({preventScroll: true})`))
	if lit := read(p, "lit", chromedp.Evaluate[string](`[...document.querySelectorAll(".claims .lit dt")].map(e => e.textContent).join()`)); strings.ReplaceAll(lit, "aud,", "") != "aud" {
		t.Errorf("row 5 of the API highlights %q, expected aud of access tokens", lit)
	}
	p.press(`.attacks button[value="nonce"]`)
	for _, scheme := range []string{"light", "dark"} {
		p.scheme(scheme)
		p.do("scroll", chromedp.EvaluateAsDevTools[chromedp.Void](`scrollTo(0, 0)`))
		p.picture("playground-" + scheme)
	}
}

// TestPlaygroundWithoutScripts: the form works without JavaScript.
func TestPlaygroundWithoutScripts(t *testing.T) {
	p := newPerson(t, nil, "")
	address := startPlayground(t)
	p.withoutScripts()
	p.load("open", chromedp.Navigate(address))
	p.load("attack", chromedp.Click(chromedp.CSS(`.attacks button[value="none"]`)))
	if !strings.Contains(p.text(), "Step 1 of 14") {
		t.Error(p.text())
	}
}

// TestPlaygroundKey: the key is accepted once, and nothing is shown without it.
func TestPlaygroundKey(t *testing.T) {
	address := startPlayground(t)
	p := newPerson(t, nil, "")
	base, _, _ := strings.Cut(address, "?")
	if status := p.load("without", chromedp.Navigate(base)); status != 403 {
		t.Errorf("without a key: status %d", status)
	}
	if status := p.load("wrong", chromedp.Navigate(base+"?key=wrong")); status != 403 {
		t.Errorf("with a wrong key: status %d", status)
	}
	if status := p.load("right", chromedp.Navigate(address)); status != 200 {
		t.Errorf("with the key: status %d", status)
	}
	other := newPerson(t, nil, "")
	if status := other.load("again", chromedp.Navigate(address)); status != 403 {
		t.Errorf("with the key again: status %d", status)
	}
}

// TestPlaygroundStaysHere: the page loads nothing from other hosts.
func TestPlaygroundStaysHere(t *testing.T) {
	address := startPlayground(t)
	p := newPerson(t, nil, "")
	p.load("open", chromedp.Navigate(address))
	p.press(`.attacks button[value="redirect"]`)
	if n := read(p, "resources", chromedp.Evaluate[int64](`performance.getEntriesByType("resource").filter(e => !e.name.startsWith(location.origin + "/")).length`)); n != 0 {
		t.Errorf("%d requests to other places", n)
	}
}

// TestPlaygroundOwnServer signs in at another server, with a page for the person.
func TestPlaygroundOwnServer(t *testing.T) {
	issuer := issuertest.New(t, issuertest.Config{PlainHTTP: true, Page: true, Users: []issuertest.User{alice}, Clients: []issuertest.Client{{ID: "mine"}}})
	address := startPlayground(t, "-port", strconv.Itoa(freeport.Port(t)), "-issuer", issuer.URL, "-client-id", "mine")
	p := newPerson(t, nil, "")
	p.load("open", chromedp.Navigate(address))
	for selector, want := range map[string]string{"#run": "Signed in.", `.attacks button[value="none"]`: "Step 1 of 14"} {
		p.press(selector)
		p.picture("playground-own")
		p.load("continue", chromedp.Click(chromedp.CSS("#continue")))
		p.load("choose alice", chromedp.Click(chromedp.CSS(`button[value="`+alice.Subject+`"]`)))
		p.load("allow", chromedp.Click(chromedp.CSS(`button[value="allow"]`)))
		p.eventually("back", func() bool { return p.at().Path == "/own" && strings.Contains(p.text(), want) })
	}
	p.picture("playground-own-attack")
}
