// Package readme_test runs the programs of the README.
package readme_test

import (
	"encoding/pem"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/cookiejar"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/countersign/countersign/discovery/issuertest"
	"github.com/countersign/countersign/internal/freeport"
)

const apiAudience = "https://photos.example"

// program builds and starts a copy of a README program that listens on a free port.
func program(t *testing.T, name, listen string, i *issuertest.Issuer) (address string) {
	t.Helper()
	ca := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(ca, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: i.Certificate().Raw}), 0o600); err != nil {
		t.Fatal(err)
	}
	address = freeport.Address(t)
	binary := build(t, name, listen, address)
	cmd := exec.Command(binary)
	cmd.Env = append(os.Environ(), "SSL_CERT_FILE="+ca, "ISSUER="+i.URL, "AUDIENCE="+apiAudience,
		"CLIENT_ID="+issuertest.ClientID, "CLIENT_SECRET="+issuertest.ClientSecret)
	cmd.Stdout, cmd.Stderr = t.Output(), t.Output()
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cmd.Process.Kill()
		cmd.Wait()
	})
	await(t, address)
	return "http://" + address
}

// build compiles the program with another address in its source.
func build(t *testing.T, name, listen, address string) string {
	t.Helper()
	source, err := os.ReadFile(filepath.Join(name, "main.go"))
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(source), listen) {
		t.Fatalf("the program does not listen on %s", listen)
	}
	dir, err := os.MkdirTemp(".", "run-") // inside the module
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	if err := os.WriteFile(filepath.Join(dir, "main.go"), []byte(strings.ReplaceAll(string(source), listen, address)), 0o600); err != nil {
		t.Fatal(err)
	}
	binary := filepath.Join(t.TempDir(), "program")
	if out, err := exec.Command("go", "build", "-o", binary, "./"+dir).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return binary
}

func await(t *testing.T, address string) {
	t.Helper()
	for deadline := time.Now().Add(2 * time.Minute); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		if c, err := net.Dial("tcp", address); err == nil {
			c.Close()
			return
		}
	}
	t.Fatal("the program does not listen")
}

func get(t *testing.T, hc *http.Client, address, token string) (int, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, address, nil)
	if err != nil {
		t.Fatal(err)
	}
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	resp, err := hc.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(resp.Body)
	if err := errors.Join(err, resp.Body.Close()); err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(body)
}

// TestSignIn: a visitor of the README's program signs in and is greeted by name.
func TestSignIn(t *testing.T) {
	i := issuertest.New(t, issuertest.Config{})
	address := program(t, "signin", "127.0.0.1:8080", i)
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	browser := i.Browser()
	browser.Jar = jar
	if status, body := get(t, browser, address+"/", ""); status != 200 || !strings.HasPrefix(body, "Hello Alice Liddell, your account is alice at "+i.URL) {
		t.Errorf("%d %s", status, body)
	}
}

// TestProtect: the README's API accepts a token with the scope and rejects others.
func TestProtect(t *testing.T) {
	i := issuertest.New(t, issuertest.Config{})
	address := program(t, "protect", "127.0.0.1:8081", i)
	order := func(audience string, scopes ...string) string {
		return i.AccessToken(issuertest.AccessToken{Audience: []string{audience}, Scopes: scopes})
	}
	for name, test := range map[string]struct {
		token  string
		status int
	}{
		"right":       {order(apiAudience, "photos.read"), 200},
		"no token":    {"", 401},
		"other API":   {order("https://other.example", "photos.read"), 401},
		"no scope":    {order(apiAudience, "photos.write"), 403},
		"an ID token": {i.IDToken(issuertest.IDToken{}), 401},
	} {
		if status, body := get(t, http.DefaultClient, address+"/photos", test.token); status != test.status || status == 200 && !strings.HasPrefix(body, "photos of alice, for the client web") {
			t.Errorf("%s: %d %s, expected %d", name, status, body, test.status)
		}
	}
}

// TestLength: each program is under 45 lines.
func TestLength(t *testing.T) {
	for _, name := range []string{"signin", "protect"} {
		source, err := os.ReadFile(filepath.Join(name, "main.go"))
		if err != nil {
			t.Fatal(err)
		}
		if n := strings.Count(string(source), "\n"); n >= 45 {
			t.Errorf("%s has %d lines", name, n)
		}
	}
}
