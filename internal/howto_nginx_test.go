package internal_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"io"
	"log/slog"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/countersign/countersign/client"
	"github.com/countersign/countersign/client/login"
	"github.com/countersign/countersign/discovery/issuertest"
	"github.com/countersign/countersign/internal/freeport"
	"github.com/countersign/countersign/internal/optest"
)

// nginxHead is the rest of nginx.conf, around the block of docs/proxies-and-base-paths.md.
const nginxHead = `daemon off; master_process off; pid @DIR@/pid; error_log stderr;
events { worker_connections 64; }
http {
access_log off; client_body_temp_path @DIR@/1; proxy_temp_path @DIR@/2; fastcgi_temp_path @DIR@/3;
uwsgi_temp_path @DIR@/4; scgi_temp_path @DIR@/5;
`

// TestNginx: with the page's block a visitor signs in through nginx under a base path. The session
// is larger than nginx's default buffers. Without the page's buffers nginx answers 502.
func TestNginx(t *testing.T) {
	program := os.Getenv("COUNTERSIGN_NGINX")
	if program == "" {
		t.Skip("COUNTERSIGN_NGINX is not set: make proxies")
	}
	block := nginxBlock(t, "proxies-and-base-paths.md")
	issuer := issuertest.New(t, issuertest.Config{Edit: issuertest.Edit{
		IDToken: func(claims map[string]any) { claims["note"] = strings.Repeat("large ", 400) },
	}})
	app := httptest.NewServer(underBasePath(t, issuer))
	defer app.Close()
	for name, test := range map[string]struct {
		block  string
		status int
	}{
		"the page":        {block, http.StatusOK},
		"default buffers": {regexp.MustCompile(`proxy_buffer.*`).ReplaceAllString(block, ""), http.StatusBadGateway},
	} {
		t.Run(name, func(t *testing.T) {
			front, certificate := startNginx(t, program, test.block, app.Listener.Addr().String())
			browser := issuer.Browser(certificate)
			browser.Transport = dialing(browser.Transport.(*http.Transport), "app.example:443", front)
			status, body := visit(t, browser, "https://app.example/app/albums?year=2026")
			if status != test.status || status == http.StatusOK && body != "Alice Liddell at /albums?year=2026" {
				t.Errorf("%d %q, expected %d", status, body, test.status)
			}
		})
	}
}

// underBasePath is an application that nginx mounts at /app.
func underBasePath(t *testing.T, issuer *issuertest.Issuer) http.Handler {
	t.Helper()
	c := webClient(t, issuer, func(config *client.Config) { config.RedirectURL = "https://app.example/app/callback" })
	l, err := login.New(login.Config{
		Clients: map[string]*client.Client{"main": c}, Keys: [][]byte{make([]byte, 32)}, BasePath: "/app",
		Claims: []string{"name", "note"}, Log: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	mux := http.NewServeMux()
	mux.Handle("/login", l.Start())
	mux.Handle("/callback", l.Callback())
	mux.Handle("/", l.Require(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		user, ok := login.FromContext(r.Context())
		if !ok {
			http.Error(w, "not signed in", http.StatusUnauthorized)
			return
		}
		fmt.Fprintf(w, "%s at %s", user.Claim("name"), r.RequestURI)
	})))
	return mux
}

// startNginx tests a configuration with nginx -t. Then it runs nginx with the test's files and
// ports.
func startNginx(t *testing.T, program, block, backend string) (front string, certificate *x509.Certificate) {
	t.Helper()
	front = freeport.Address(t)
	dir := t.TempDir()
	certificate = writeCertificate(t, dir, "app.example")
	conf := strings.NewReplacer("@DIR@", dir, "/etc/nginx/", dir+"/", "listen 443 ssl", "listen "+front+" ssl", "127.0.0.1:8080", backend).
		Replace(nginxHead + block + "}\n")
	if err := os.WriteFile(filepath.Join(dir, "conf"), []byte(conf), 0o600); err != nil {
		t.Fatal(err)
	}
	args := []string{"-e", "stderr", "-p", dir, "-c", filepath.Join(dir, "conf")}
	if out, err := exec.Command(program, append(args, "-t")...).CombinedOutput(); err != nil {
		t.Fatalf("nginx -t: %v\n%s", err, out)
	}
	optest.StartProgram(t, front, exec.CommandContext(t.Context(), program, args...))
	return front, certificate
}

// writeCertificate writes name.pem and name.key.
func writeCertificate(t *testing.T, dir, name string) *x509.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, DNSNames: []string{name},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	for file, block := range map[string]*pem.Block{name + ".pem": {Type: "CERTIFICATE", Bytes: der}, name + ".key": {Type: "PRIVATE KEY", Bytes: private}} {
		if err := os.WriteFile(filepath.Join(dir, file), pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	certificate, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return certificate
}

// dialing returns a transport that connects to another address instead of the given one.
func dialing(transport *http.Transport, from, to string) *http.Transport {
	changed := transport.Clone()
	changed.DialContext = func(ctx context.Context, network, address string) (net.Conn, error) {
		if address == from {
			address = to
		}
		return (&net.Dialer{}).DialContext(ctx, network, address)
	}
	return changed
}

func visit(t *testing.T, browser *http.Client, address string) (status int, body string) {
	t.Helper()
	resp, err := browser.Get(address)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	raw, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(raw)
}
