package interop

import (
	"bufio"
	"bytes"
	"encoding/json"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/countersign/countersign/client/tokens"
)

// commandDir is the directory of the program. TestMain removes it.
var commandDir string

// builtCommand builds the program once.
var builtCommand = sync.OnceValues(func() (string, error) {
	var err error
	if commandDir, err = os.MkdirTemp("", "countersign-command"); err != nil {
		return "", err
	}
	program := filepath.Join(commandDir, "countersign")
	build := exec.Command("go", "build", "-o", program, ".")
	build.Dir = "../../cmd/countersign"
	build.Stderr = os.Stderr
	return program, build.Run()
})

// terminal is a user who runs the command, and opens the addresses that it prints.
type terminal struct {
	t       *testing.T
	server  *server
	visitor *visitor
	store   *tokens.FileStore
}

func newTerminal(t *testing.T, s *server) *terminal {
	t.Helper()
	v := newVisitor(t, nil)
	v.program = true
	return &terminal{t: t, server: s, visitor: v, store: &tokens.FileStore{Dir: filepath.Join(t.TempDir(), "tokens")}}
}

// client returns the ID of a client that listens on loopback.
func (p *terminal) client(id string) string {
	if p.server.name == oidcProvider.name {
		return "cli-" + id
	}
	return id
}

// run runs a flow of a client, and returns its output. The tokens have one name for all flows, so
// that one client can use the tokens of another.
func (p *terminal) run(clientID string, args ...string) (out string, status int) {
	p.t.Helper()
	args = append(args, "-issuer", p.server.issuer, "-client-id", clientID, "-store", p.store.Dir, "-name", "tokens", "-timeout", "3m")
	if args[0] == "login" || args[0] == "logout" { // no other command opens a browser
		args = append(args, "-no-browser")
	}
	if !slices.Contains(args, "-secret-env") && !slices.Contains(args, "-key") && !slices.Contains(args, "-cert") {
		args = append(args, "-secret-env", "INTEROP_SECRET", "-auth", "client_secret_basic")
	}
	return p.execute("", append(args, "-ca", keyPath("ca.crt"))...)
}

// execute runs a command line with input.
func (p *terminal) execute(input string, args ...string) (out string, status int) {
	p.t.Helper()
	program, err := builtCommand()
	if err != nil {
		p.t.Fatal(err)
	}
	c := exec.CommandContext(p.t.Context(), program, args...)
	c.Env = append(os.Environ(), "INTEROP_SECRET="+secret)
	c.Stdin = strings.NewReader(input)
	var stdout bytes.Buffer
	c.Stdout = &stdout
	stderr, err := c.StderrPipe()
	if err != nil {
		p.t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		p.t.Fatal(err)
	}
	prompts := p.follow(stderr, slices.Contains(args, "device"))
	c.Wait()
	p.check(args, stdout.String()+prompts)
	return stdout.String() + prompts, c.ProcessState.ExitCode()
}

var toOpen = regexp.MustCompile(`^(?:or open )?(https?://\S+)`)

// follow reads the instructions for the user, and follows them. Addresses are not searched for
// secrets, because the browser needs them.
func (p *terminal) follow(r io.Reader, code bool) (printed string) {
	lines := bufio.NewScanner(r)
	for lines.Scan() {
		found := toOpen.FindStringSubmatch(lines.Text())
		switch {
		case found == nil:
			printed += lines.Text() + "\n"
		case code || strings.Contains(found[1], "logout") || strings.Contains(found[1], "session/end"):
			if err := p.visitor.decide(found[1]); err != nil {
				p.t.Error(err)
			}
		default:
			if _, err := p.visitor.visit(found[1]); err != nil {
				p.t.Error(err)
			}
		}
	}
	return printed
}

// stored returns the tokens in the store, or nil.
func (p *terminal) stored() *tokens.Stored {
	p.t.Helper()
	raw, err := p.store.Load(p.t.Context(), "tokens")
	if err != nil {
		p.t.Fatal(err)
	}
	if raw == nil {
		return nil
	}
	var out tokens.Stored
	if err := json.Unmarshal(raw, &out); err != nil {
		p.t.Fatal(err)
	}
	return &out
}

// check requires that no secret and no token is printed.
func (p *terminal) check(args []string, out string) {
	p.t.Helper()
	secrets := []string{secret}
	if s := p.stored(); s != nil {
		secrets = append(secrets, s.AccessToken, s.RefreshToken, s.IDToken, s.DPoPKey)
	}
	for _, s := range secrets {
		if s != "" && strings.Contains(out, s) && args[0] != "token" {
			p.t.Errorf("%q prints a secret", args)
		}
	}
}

// works runs a flow that must succeed and print each of the texts.
func (p *terminal) works(clientID string, args, texts []string) {
	p.t.Helper()
	out, status := p.run(clientID, args...)
	if status != 0 {
		p.t.Fatalf("%q: status %d\n%s", args, status, out)
	}
	for _, text := range texts {
		if !strings.Contains(out, text) {
			p.t.Errorf("%q: the output lacks %q\n%s", args, text, out)
		}
	}
	works(p.t, "%s", strings.Join(args, " "))
}
