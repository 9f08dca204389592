package browser

import (
	"bufio"
	"context"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/chromedp"

	"github.com/countersign/countersign/discovery/issuertest"
	"github.com/countersign/countersign/internal/freeport"
)

// stage is a quickstart whose state the test changes.
type stage struct {
	parties
	t     *testing.T
	in    io.WriteCloser
	lines *bufio.Scanner
}

// startStage starts TestStage of the quickstart.
func startStage(t *testing.T) *stage {
	t.Helper()
	if browserPath == "" {
		t.Skip("no browser: make browser")
	}
	program := filepath.Join(t.TempDir(), "stage")
	build := exec.Command("go", "test", "-c", "-o", program, "./quickstart")
	build.Dir = ".."
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	cmd := exec.Command(program, "-test.run", "^TestStage$")
	cmd.Env, cmd.Stderr = append(os.Environ(), "QUICKSTART_STAGE=1"), t.Output()
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	s := &stage{t: t, in: in, lines: bufio.NewScanner(out)}
	t.Cleanup(func() { in.Close(); cmd.Wait() })
	s.lines.Scan()
	addresses := strings.Fields(s.lines.Text())
	if len(addresses) != 3 {
		t.Fatalf("it prints %q, expected three addresses", s.lines.Text())
	}
	s.app, s.server, s.api = addresses[0], addresses[1], addresses[2]
	return s
}

// tell sends a command, and waits until it has effect.
func (s *stage) tell(command string) {
	s.t.Helper()
	io.WriteString(s.in, command+"\n")
	if !s.lines.Scan() || s.lines.Text() != "done" {
		s.t.Fatalf("%s: %q", command, s.lines.Text())
	}
}

// TestQuickstartExpired: the visitor sends the server's form too late, and signs in again.
func TestQuickstartExpired(t *testing.T) {
	s := startStage(t)
	p := newPerson(t, nil, "")
	p.load(s.app, chromedp.Navigate(s.app+"/photos"))
	s.tell("later")
	if status := p.fill(); status != 400 {
		t.Errorf("status %d", status)
	}
	p.want("The sign-in took too long")
	p.want("login_expired")
	p.picture("quickstart-expired")
	s.tell("now")
	p.click("a.button")
	p.fill()
	p.want("Hello, Alice Liddell")
}

// TestQuickstartAPIDown: the visitor is signed in, and the API does not respond.
func TestQuickstartAPIDown(t *testing.T) {
	s := startStage(t)
	p := newPerson(t, nil, "")
	p.load(s.app, chromedp.Navigate(s.app+"/photos"))
	s.tell("api down")
	if status := p.fill(); status != 502 {
		t.Errorf("status %d", status)
	}
	p.want("The photo album does not respond")
	p.want(strings.TrimPrefix(s.api, "http://"))
	p.picture("quickstart-api-down")
}

// TestQuickstartLostSession: right after the sign-in the browser sends no session.
func TestQuickstartLostSession(t *testing.T) {
	all := startQuickstart(t, buildQuickstart(t))
	p := newPerson(t, nil, "")
	p.do("a sign-in is over", chromedp.Func(func(ctx context.Context, t *chromedp.Target) error {
		_, err := cdp.Call(ctx, t, network.SetCookie, network.SetCookieParams{Name: "print_shop-done", Value: "1", URL: all.app})
		return err
	}))
	p.shows("quickstart-lost-session", all.app+"/photos", 400, "Your browser does not keep you signed in")
	p.want("session_lost")
	p.click("a.button")
	p.fill()
	p.want("Hello, Alice Liddell")
}

// TestQuickstartRejectedToken: another server makes ID tokens with a wrong nonce. The page shows
// the failed step.
func TestQuickstartRejectedToken(t *testing.T) {
	program, address := buildQuickstart(t), freeport.Address(t)
	server := issuertest.New(t, issuertest.Config{
		PlainHTTP: true, Page: true, Users: []issuertest.User{alice}, Faults: []issuertest.Fault{issuertest.IDTokenNonceWrong},
		Clients: []issuertest.Client{{ID: "mine", RedirectURLs: []string{"http://" + address + "/callback"}}},
	})
	all := startQuickstart(t, program, "-issuer", server.URL, "-client-id", "mine", "-listen", address)
	p := newPerson(t, nil, "")
	p.load(all.app, chromedp.Navigate(all.app+"/photos"))
	p.fill()
	p.want("The sign-in failed")
	if n := p.count("#report .state.failed"); n != 1 {
		t.Errorf("%d failed steps", n)
	}
	p.picture("quickstart-failed")
}

// TestQuickstartHistory: two tabs, reload, and the back button. The visitor stays signed in, and
// after the sign-out the back button shows no photos.
func TestQuickstartHistory(t *testing.T) {
	all := startQuickstart(t, buildQuickstart(t))
	one := newPerson(t, nil, "")
	two := one.tab()
	for _, tab := range []*person{one, two} {
		tab.load(all.app, chromedp.Navigate(all.app+"/photos"))
	}
	for _, tab := range []*person{two, one} {
		tab.fill()
		tab.want("Hello, Alice Liddell")
		tab.reload()
		tab.want("Hello, Alice Liddell")
	}
	one.back() // to the server's consent page
	one.want("This page was used")
	one.picture("quickstart-back")
	one.load(all.app, chromedp.Navigate(all.app+"/callback?code=x&state=y"))
	one.want("Show my photos")
	two.click(".bar button")
	two.want("You are signed out.")
	two.back()
	if strings.Contains(two.text(), "tea-party.jpg") {
		t.Errorf("after the sign-out the back button shows:\n%s", two.text())
	}
	one.load(all.app, chromedp.Navigate(all.app+"/photos"))
	one.want("Continue as")
}

// TestQuickstartServerSignOut: a sign-out at the server itself asks first, and confirms.
func TestQuickstartServerSignOut(t *testing.T) {
	all := startQuickstart(t, buildQuickstart(t))
	p := newPerson(t, nil, "")
	p.shows("quickstart-server-logout", all.server+"/logout", 200, "Do you want to sign out?")
	p.click("button")
	p.want("You are signed out")
	p.picture("quickstart-server-signed-out")
}
