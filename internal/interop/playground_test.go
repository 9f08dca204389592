package interop

import (
	"bufio"
	"context"
	"html"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/countersign/countersign/client/registration"
	"github.com/countersign/countersign/internal/freeport"
)

// TestPlayground signs in at each server through the playground of the command, and attacks the
// responses. The servers' logs show that an attack sends the same requests as a login.
func TestPlayground(t *testing.T) {
	eachServer(t, func(t *testing.T, s *server) {
		p := openPlayground(t, s)
		p.run("") // the user agrees, and the program fetches metadata and keys
		page, plain := p.run("")
		for _, want := range []string{"Signed in.", "id_token", `data-step="14"`, s.issuer} {
			if !strings.Contains(page, want) {
				t.Errorf("%q is missing\n%s", want, page)
			}
		}
		if len(plain) != 1 {
			t.Fatalf("a login sends %q", plain)
		}
		for attack, want := range map[string]string{"none": "Step 1 of 14", "clock": "Step 9 of 14", "replay": "Rejected by", "state": "state", "mixup": "iss is"} {
			page, sent := p.run(attack)
			if !strings.Contains(page, want) || !strings.Contains(page, "Rejected by the application") {
				t.Errorf("%s: %q is missing\n%s", attack, want, page)
			}
			if atServer := attack != "state" && attack != "mixup"; atServer != (len(sent) == 1) || len(sent) > len(plain) {
				t.Errorf("%s: the server got %q, of a login %q", attack, sent, plain)
			}
		}
		for _, never := range []string{"attacker.example", "another-state"} {
			if strings.Contains(p.log(), never) {
				t.Errorf("the server has seen %q", never)
			}
		}
	})
}

// playground is the page of the command, in the browser of a visitor.
type playground struct {
	t    *testing.T
	s    *server
	base string
	v    *visitor
}

func openPlayground(t *testing.T, s *server) *playground {
	t.Helper()
	if os.Getenv("COUNTERSIGN_INTEROP_LOGS") == "" {
		t.Skip("no logs of the servers: start the tests with internal/interop/run")
	}
	port := strconv.Itoa(freeport.Port(t))
	r := registerClient(t, s, registration.Metadata{
		ClientName: "playground", ApplicationType: "native", RedirectURIs: []string{"http://127.0.0.1:" + port + "/callback"},
		GrantTypes: []string{"authorization_code"}, ResponseTypes: []string{"code"}, TokenEndpointAuthMethod: "client_secret_basic",
	})
	t.Cleanup(func() { _ = s.registrar().Delete(context.Background(), r) })
	address := startPlayground(t, r.ClientSecret, "-port", port, "-issuer", s.issuer, "-client-id", r.ClientID, "-secret-env", "INTEROP_SECRET")
	p := &playground{t, s, strings.TrimSuffix(address[:strings.Index(address, "?")], "/"), newVisitor(t, nil)}
	if opened, err := p.v.get(address); err != nil || opened.status != 200 {
		t.Fatal(opened, err)
	}
	return p
}

// startPlayground builds and starts the command, and returns the address that it prints.
func startPlayground(t *testing.T, secret string, args ...string) string {
	t.Helper()
	program := filepath.Join(t.TempDir(), "countersign")
	build := exec.Command("go", "build", "-o", program, ".")
	build.Dir = "../../cmd/countersign"
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	ctx, cancel := context.WithCancel(context.Background())
	c := exec.CommandContext(ctx, program, append([]string{"playground", "-no-browser"}, args...)...)
	c.Env, c.WaitDelay = append(os.Environ(), "INTEROP_SECRET="+secret), 5*time.Second
	c.Cancel = func() error { return c.Process.Signal(os.Interrupt) }
	out, err := c.StdoutPipe()
	if err == nil {
		err = c.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cancel(); _ = c.Wait() })
	for lines := bufio.NewScanner(out); lines.Scan(); {
		if strings.HasPrefix(lines.Text(), "http://127.0.0.1:") {
			return lines.Text()
		}
	}
	t.Fatal("no address was printed")
	return ""
}

var (
	continueLink = regexp.MustCompile(`id="continue" href="([^"]*)"`)
	resultLink   = regexp.MustCompile(`url=(/own\?login=\w+)"`)
)

// run presses a button and signs in. It returns the page with the result, and the token requests
// that the server received.
func (p *playground) run(attack string) (page string, sent []string) {
	p.t.Helper()
	before := len(p.tokenRequests())
	resp, err := p.v.http.PostForm(p.base+"/run", url.Values{"attack": {attack}})
	if err != nil {
		p.t.Fatal(err)
	}
	ready, err := readPage(resp)
	if err != nil {
		p.t.Fatal(err)
	}
	link := continueLink.FindSubmatch(ready.body)
	if link == nil {
		p.t.Fatalf("%s: no link\n%s", attack, ready.text())
	}
	back, err := p.v.get(html.UnescapeString(string(link[1])))
	for range maxPages {
		if err != nil || strings.HasPrefix(back.url.String(), p.base) {
			break
		}
		back, err = p.v.answer(back)
	}
	if err != nil {
		p.t.Fatal(err)
	}
	result := resultLink.FindSubmatch(back.body)
	if result == nil {
		p.t.Fatalf("%s: at %s: %s", attack, back.url.Path, back.text())
	}
	shown, err := p.v.get(p.base + string(result[1]))
	if err != nil {
		p.t.Fatal(err)
	}
	return string(shown.body), p.tokenRequests()[before:]
}

// log returns the log of the server.
func (p *playground) log() string {
	p.t.Helper()
	time.Sleep(200 * time.Millisecond) // a server may write after it has answered
	data, err := os.ReadFile(filepath.Join(os.Getenv("COUNTERSIGN_INTEROP_LOGS"), p.s.name+".log"))
	if err != nil {
		p.t.Fatal(err)
	}
	return string(data)
}

// tokenLine matches the log line of a request to the token endpoint. hydra writes two lines for
// each request.
var tokenLine = map[string]*regexp.Regexp{
	"oidc-provider": regexp.MustCompile(`(?m)^request POST /token$`),
	"keycloak":      regexp.MustCompile(`"POST /realms/interop/protocol/openid-connect/token `),
	"hydra":         regexp.MustCompile(`(?m)^.*/oauth2/token.*completed handling request.*$|^.*completed handling request.*/oauth2/token.*$`),
}

func (p *playground) tokenRequests() []string { return tokenLine[p.s.name].FindAllString(p.log(), -1) }
