package redisstore_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/countersign/countersign/internal/freeport"
	"github.com/countersign/countersign/internal/redistest"
	"github.com/countersign/countersign/redisstore"
)

// wantAll makes every call once. Each must succeed.
func wantAll(t *testing.T, s *redisstore.Store) {
	t.Helper()
	for name, call := range calls {
		if err := call(t.Context(), s); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestPassword: calls succeed with the right password and fail with another one. No error
// contains a password.
func TestPassword(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t, "--requirepass", "canary-password")
	with := func(password string) *redisstore.Store {
		return open(t, server, func(c *redisstore.Config) {
			c.URL = strings.Replace(server.URL(), "redis://", "redis://:"+password+"@", 1)
		})
	}
	wantAll(t, with("canary-password"))
	wrong := with("canary-guess")
	for name, call := range calls {
		if err := call(t.Context(), wrong); err == nil || temporary(err) || strings.Contains(err.Error(), "canary") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestTLS: only a server with a trusted certificate is used.
func TestTLS(t *testing.T) {
	t.Parallel()
	files, roots := newCertificate(t)
	server := redistest.Start(t)
	_, port, _ := net.SplitHostPort(server.Addr)
	setup := redis.NewClient(&redis.Options{Addr: server.Addr})
	defer setup.Close()
	address := freeport.Address(t)
	_, tlsPort, _ := net.SplitHostPort(address)
	if err := setup.ConfigSet(t.Context(), "tls-auth-clients", "no").Err(); err != nil {
		t.Skipf("the redis-server at port %s was built without TLS", port)
	}
	err := setup.Do(t.Context(), "CONFIG", "SET", "tls-cert-file", files+".crt", "tls-key-file", files+".key", "tls-ca-cert-file", files+".crt", "tls-port", tlsPort).Err()
	if err != nil {
		t.Fatal(err)
	}
	trusting := redis.NewClient(&redis.Options{Addr: address, ContextTimeoutEnabled: true, TLSConfig: &tls.Config{RootCAs: roots}})
	defer trusting.Close()
	wantAll(t, open(t, server, func(c *redisstore.Config) { c.URL, c.Client = "", trusting }))
	strict := open(t, server, func(c *redisstore.Config) { c.URL = "rediss://" + address })
	for name, call := range calls {
		if err := call(t.Context(), strict); err == nil || !strings.Contains(err.Error(), "certificate is not trusted") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// newCertificate writes a certificate for 127.0.0.1 and its key to files with that name.
func newCertificate(t *testing.T) (name string, roots *x509.CertPool) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	name = filepath.Join(t.TempDir(), "redis")
	certificate := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	for file, content := range map[string][]byte{".crt": certificate, ".key": pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private})} {
		if err := os.WriteFile(name+file, content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	roots = x509.NewCertPool()
	roots.AppendCertsFromPEM(certificate)
	return name, roots
}
