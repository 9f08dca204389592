package clients

import (
	"encoding/pem"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/countersign/countersign/discovery/issuertest"
)

// TestOpenIDClient: openid-client, from npm, signs in at the issuer and rejects a fault.
func TestOpenIDClient(t *testing.T) {
	dir := install(t)
	issuer := issuertest.New(t, issuertest.Config{})
	ca := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(ca, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: issuer.Certificate().Raw}), 0o600); err != nil {
		t.Fatal(err)
	}
	signIn := func() (string, error) {
		cmd := exec.CommandContext(t.Context(), "node", "login.mjs", issuer.URL, issuertest.ClientID, issuertest.ClientSecret)
		cmd.Dir, cmd.Env = dir, append(os.Environ(), "NODE_EXTRA_CA_CERTS="+ca)
		out, err := cmd.CombinedOutput()
		return strings.TrimSpace(string(out)), err
	}
	if out, err := signIn(); err != nil || out != "alice" {
		t.Errorf("%v: %s", err, out)
	}
	issuer.Inject(issuertest.IDTokenNonceWrong)
	if out, err := signIn(); err == nil {
		t.Errorf("a wrong nonce signs %s in", out)
	}
}

// install returns a directory with the program and its modules. Without node and npm the test is
// skipped. In CI it fails.
func install(t *testing.T) string {
	t.Helper()
	for _, tool := range []string{"node", "npm"} {
		if _, err := exec.LookPath(tool); err != nil {
			if os.Getenv("CI") == "true" {
				t.Fatal(err)
			}
			t.Skip(err)
		}
	}
	dir := t.TempDir()
	if err := os.CopyFS(dir, os.DirFS("openid-client")); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error")
	cmd.Dir = dir
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("npm ci: %v\n%s", err, out)
	}
	return dir
}
