package playground

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

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
