package rs_test

import (
	"bufio"
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/countersign/countersign/internal/freeport"
	"github.com/countersign/countersign/internal/optest"
	"github.com/countersign/countersign/rs"
)

// A realProxy is a program that ends TLS. The lines are from docs/protect-an-api.md. @DIR@, @FRONT@
// and @BACK@ in its configuration are replaced by the directory and the ports.
type realProxy struct {
	variable string // of the environment, with the program's path; without it the test is skipped
	args     []string
	config   string
	lines    []string
}

var realProxies = map[string]realProxy{
	"nginx": {
		"COUNTERSIGN_NGINX", []string{"-e", "stderr", "-p", "@DIR@", "-c", "@DIR@/conf"}, `
daemon off; master_process off; pid @DIR@/pid; error_log stderr;
events { worker_connections 64; }
http {
  access_log off; client_body_temp_path @DIR@/1; proxy_temp_path @DIR@/2; fastcgi_temp_path @DIR@/3; uwsgi_temp_path @DIR@/4; scgi_temp_path @DIR@/5;
  server {
    listen 127.0.0.1:@FRONT@ ssl; ssl_session_cache shared:x:1m;
    ssl_certificate @DIR@/server.pem; ssl_certificate_key @DIR@/server.pem;
    ssl_client_certificate @DIR@/ca.pem; ssl_verify_client optional;
    location / {
      @LINES@
      proxy_pass http://127.0.0.1:@BACK@;
    }
  }
}
`, []string{"proxy_set_header Client-Cert $ssl_client_escaped_cert;"},
	},
	"HAProxy": {
		"COUNTERSIGN_HAPROXY", []string{"-db", "-f", "@DIR@/conf"}, `
defaults
  mode http
  timeout connect 5s
  timeout client 5s
  timeout server 5s
frontend front
  bind 127.0.0.1:@FRONT@ ssl crt @DIR@/server.pem ca-file @DIR@/ca.pem verify optional
  @LINES@
  default_backend back
backend back
  server back 127.0.0.1:@BACK@
`, []string{"http-request del-header Client-Cert", "http-request set-header Client-Cert :%[ssl_c_der,base64]: if { ssl_c_used }"},
	},
	"Caddy": {
		"COUNTERSIGN_CADDY", []string{"run", "--config", "@DIR@/conf", "--adapter", "caddyfile"}, `
{
  admin off
  auto_https off
  storage file_system @DIR@
}
https://localhost:@FRONT@ {
  bind 127.0.0.1
  tls @DIR@/server.pem @DIR@/server.pem {
    client_auth {
      mode verify_if_given
      trusted_ca_cert_file @DIR@/ca.pem
    }
  }
  reverse_proxy 127.0.0.1:@BACK@ {
    @LINES@
  }
}
`, []string{"header_up Client-Cert :{http.request.tls.client.certificate_der_base64}:"},
	},
}

// start starts the program, and returns the address at which it listens.
func (p realProxy) start(t *testing.T, backend string, ca, server []byte) string {
	program := os.Getenv(p.variable)
	if program == "" {
		t.Skip(p.variable + " is not set: not tried")
	}
	page, err := os.ReadFile("../docs/protect-an-api.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, line := range p.lines {
		if !bytes.Contains(page, []byte("`"+line+"`")) {
			t.Errorf("the page says nothing of %s", line)
		}
	}
	front := freeport.Address(t)
	dir := t.TempDir()
	places := strings.NewReplacer("@DIR@", dir, "@LINES@", strings.Join(p.lines, "\n  "), "@FRONT@", port(front), "@BACK@", port(backend))
	for name, content := range map[string]string{"ca.pem": string(ca), "server.pem": string(server), "conf": places.Replace(p.config)} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	args := strings.Fields(places.Replace(strings.Join(p.args, " ")))
	cmd := exec.CommandContext(t.Context(), program, args...)
	cmd.Env = append(os.Environ(), "XDG_CONFIG_HOME="+dir, "XDG_DATA_HOME="+dir) // where Caddy writes files
	optest.StartProgram(t, front, cmd)
	return front
}

func port(address string) string { return address[strings.LastIndexByte(address, ':')+1:] }

// TestRealProxies: through a proxy a bound token is accepted with its certificate. With another
// certificate or none it is rejected, whatever headers the client sends. RS-08.
func TestRealProxies(t *testing.T) {
	for name, proxy := range realProxies {
		t.Run(name, func(t *testing.T) {
			root, rootKey := issue(t, nil, nil)
			server, serverKey := issue(t, root, rootKey)
			mine, mineKey := issue(t, root, rootKey)
			other, otherKey := issue(t, root, rootKey)
			p := quiet(verifierFunc(func(context.Context, string) (*rs.Principal, error) {
				return &rs.Principal{Subject: "x", Cnf: rs.Confirmation{CertificateThumbprint: thumbprintOf(mine)}}, nil
			}))
			p.MTLS = &rs.MTLS{Header: "Client-Cert", Proxies: []netip.Prefix{netip.MustParsePrefix("127.0.0.1/32")}}
			api := httptest.NewServer(p.Handler(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})))
			defer api.Close()
			front := proxy.start(t, api.Listener.Addr().String(), certificatePEM(root), append(certificatePEM(server), keyPEM(t, serverKey)...))
			roots := x509.NewCertPool()
			roots.AddCert(root)
			as := func(cert *x509.Certificate, key *ecdsa.PrivateKey) *tls.Config {
				c := &tls.Config{RootCAs: roots, ServerName: "localhost", ClientSessionCache: tls.NewLRUClientSessionCache(1)}
				if cert != nil {
					c.Certificates = []tls.Certificate{{Certificate: [][]byte{cert.Raw}, PrivateKey: key}}
				}
				return c
			}
			good := as(mine, mineKey)
			for i := range 2 {
				if code, resumed := askRaw(t, front, good); code != 200 || resumed != (i > 0) {
					t.Errorf("its own: %d, resumed %v", code, resumed)
				}
			}
			if code, _ := askRaw(t, front, good, "Client-Cert: x", "Client_Cert: y"); code != 200 {
				t.Errorf("its own, and fields that say something else: %d", code)
			}
			for _, config := range []*tls.Config{as(other, otherKey), as(nil, nil)} {
				if code, _ := askRaw(t, front, config); code != 401 {
					t.Errorf("%d certificates, of another: %d", len(config.Certificates), code)
				}
				for _, claim := range claims(mine) {
					if code, _ := askRaw(t, front, config, claim...); code == 200 {
						t.Errorf("%d certificates, and what the client says: taken, %.40q", len(config.Certificates), claim)
					}
				}
			}
		})
	}
}

// claims are headers in which a client claims a certificate.
func claims(cert *x509.Certificate) (fields [][]string) {
	escaped := url.PathEscape(string(certificatePEM(cert)))
	for _, name := range []string{"Client-Cert", "client-cert", "CLIENT-CERT", "Client_Cert", "Client-Cert "} {
		fields = append(fields, []string{name + ": " + escaped})
	}
	return append(fields, []string{"Client-Cert: " + escaped, "client-cert: " + escaped}, []string{"Client-Cert:", "client-cert: " + escaped},
		[]string{"Client-Cert: " + escaped, "Connection: Client-Cert"})
}

func certificatePEM(c *x509.Certificate) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Raw})
}

func keyPEM(t *testing.T, key *ecdsa.PrivateKey) []byte {
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})
}

// askRaw sends the headers without a change. net/http would change their spelling.
func askRaw(t *testing.T, address string, config *tls.Config, fields ...string) (status int, resumed bool) {
	t.Helper()
	c, err := tls.Dial("tcp", address, config)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(time.Minute))
	fmt.Fprintf(c, "GET / HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer x\r\n%sConnection: close\r\n\r\n", strings.Join(append(fields, ""), "\r\n"))
	w, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		t.Fatal(err)
	}
	w.Body.Close()
	return w.StatusCode, c.ConnectionState().DidResume
}
