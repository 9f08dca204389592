package playground

import (
	"context"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

func serve(t *testing.T, own *Own) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	address, ended := make(chan string, 1), make(chan error, 1)
	go func() { ended <- Serve(ctx, l, own, func(a string) { address <- a }) }()
	t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	return <-address
}

// TestGuard: the key works once; another Host, another origin and a browser without the
// cookie are rejected.
func TestGuard(t *testing.T) {
	address := serve(t, nil)
	base, _, _ := strings.Cut(address, "?")
	jar, _ := cookiejar.New(nil)
	owner := &http.Client{Jar: jar}
	status := func(c *http.Client, r *http.Request) int {
		resp, err := c.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if got := resp.Header.Get("Content-Security-Policy"); got != policy {
			t.Errorf("policy %q", got)
		}
		return resp.StatusCode
	}
	request := func(method, u string, header ...string) *http.Request {
		r, _ := http.NewRequest(method, u, strings.NewReader("attack=none"))
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		for i := 0; i < len(header); i += 2 {
			r.Header.Set(header[i], header[i+1])
		}
		return r
	}
	rebound := request("GET", address)
	rebound.Host = "attacker.example"
	for _, test := range []struct {
		name string
		c    *http.Client
		r    *http.Request
		want int
	}{
		{"without the key", http.DefaultClient, request("GET", base), 403},
		{"a wrong key", http.DefaultClient, request("GET", base+"?key=x"), 403},
		{"another Host", http.DefaultClient, rebound, 421},
		{"the style without the key", http.DefaultClient, request("GET", base+"style.css"), 403},
		{"the key", owner, request("GET", address), 200},
		{"the key again", http.DefaultClient, request("GET", address), 403},
		{"a run", owner, request("POST", base+"run"), 200},
		{"a run from another origin", owner, request("POST", base+"run", "Origin", "https://attacker.example", "Sec-Fetch-Site", "cross-site"), 403},
	} {
		if got := status(test.c, test.r); got != test.want {
			t.Errorf("%s: status %d, expected %d", test.name, got, test.want)
		}
	}
	u, _ := url.Parse(base)
	if len(jar.Cookies(u)) != 1 {
		t.Error("no cookie")
	}
}

var statement = regexp.MustCompile(`(?m)^(client\.Config|rs\.Protection|rs\.Introspection|login\.Config)\{`)

// TestGoLines: the lines that the page shows compile.
func TestGoLines(t *testing.T) {
	var b strings.Builder
	b.WriteString(`package lines

import (
	"context"
	"crypto/ecdsa"
	"crypto/tls"
	"net/http"

	"github.com/countersign/countersign/client"
	"github.com/countersign/countersign/client/auth"
	"github.com/countersign/countersign/client/grant"
	"github.com/countersign/countersign/client/login"
	"github.com/countersign/countersign/discovery"
	"github.com/countersign/countersign/idtoken"
	"github.com/countersign/countersign/rs"
)

var (
	ctx = context.Background()
	c *client.Client
	l *login.Login
	t, issued *client.Tokens
	key auth.SigningKey
	privateKey *ecdsa.PrivateKey
	certificate tls.Certificate
	provider *discovery.Provider
	secret string
	mux *http.ServeMux
	handler http.Handler
	w http.ResponseWriter
	r *http.Request
	more client.Request
	_ idtoken.Token
)
`)
	for _, s := range Switches {
		lines := statement.ReplaceAllString(s.Lines, "_ = $0")
		if strings.Contains(lines, "device, err") {
			lines += "\n_, _ = issued, err"
		}
		b.WriteString("\nfunc _() {\n" + lines + "\n}\n")
	}
	name := filepath.Join(t.TempDir(), "lines.go")
	if err := os.WriteFile(name, []byte(b.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command("go", "build", "-o", os.DevNull, name).CombinedOutput(); err != nil {
		t.Errorf("%s\n%s", out, b.String())
	}
}
