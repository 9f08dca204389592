package rs_test

import (
	"bufio"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/pem"
	"math/big"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/countersign/countersign/rs"
)

// TestProxies: the recorded headers of real proxies for one client, with its certificate and
// without. The proxies had the lines of docs/protect-an-api.md, except where noted. RS-08.
func TestProxies(t *testing.T) {
	mine, other := thumbprintOf(readCertificate(t, "client.pem")), thumbprintOf(newCertificate(t))
	const none, unread = "has no client certificate", "is malformed"
	for _, test := range []struct {
		file, header string
		xfcc         int
		refusal      string
	}{
		{"nginx", "X-SSL-Client-Cert", 0, ""},
		{"nginx-none", "X-SSL-Client-Cert", 0, none},
		{"nginx-folded", "X-SSL-Client-Cert", 0, ""}, // $ssl_client_cert
		{"haproxy", "Client-Cert", 0, ""},
		{"haproxy-none", "Client-Cert", 0, none},    // no condition
		{"haproxy-der", "X-SSL-Client-Cert", 0, ""}, // %[ssl_c_der,base64]
		{"haproxy-der-none", "X-SSL-Client-Cert", 0, none},
		{"apache", "X-SSL-Client-Cert", 0, ""},
		{"apache-none", "X-SSL-Client-Cert", 0, none},
		{"apache-spaces", "X-SSL-Client-Cert", 0, ""}, // "%{SSL_CLIENT_CERT}s"
		{"apache-spaces-none", "X-SSL-Client-Cert", 0, none},
		{"envoy", "X-Forwarded-Client-Cert", 1, ""},
		{"envoy-none", "X-Forwarded-Client-Cert", 1, none},
		{"envoy-details", "X-Forwarded-Client-Cert", 1, ""}, // with all its fields
		{"envoy-two", "X-Forwarded-Client-Cert", 2, ""},     // the second with APPEND_FORWARD
		{"envoy-two", "X-Forwarded-Client-Cert", 1, unread},
		{"envoy-two-none", "X-Forwarded-Client-Cert", 2, unread},
		{"envoy-pem", "Client-Cert", 0, ""}, // %DOWNSTREAM_PEER_CERT%
		{"caddy", "Client-Cert", 0, ""},
		{"caddy-none", "Client-Cert", 0, none},
	} {
		t.Run(test.file, func(t *testing.T) {
			r := readRequest(t, test.file+".http")
			mtls := &rs.MTLS{Header: test.header, XFCC: test.xfcc, Proxies: []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")}}
			if got := refusalOf(mtls, r, mine); (got == "") != (test.refusal == "") || !strings.Contains(got, test.refusal) {
				t.Errorf("%q, want %q", got, test.refusal)
			}
			if got := refusalOf(mtls, r, other); test.refusal == "" && !strings.Contains(got, "another certificate") {
				t.Errorf("a token of another certificate: %q", got)
			}
		})
	}
}

// TestForwardedChain: certificates separated by commas, as Traefik writes them, or as PEM, as AWS
// load balancers do. RS-08.
func TestForwardedChain(t *testing.T) {
	root, rootKey := issue(t, nil, nil)
	inter, interKey := issue(t, root, rootKey)
	mine, _ := issue(t, inter, interKey)
	other := newCertificate(t)
	mtls := &rs.MTLS{Header: "X-Forwarded-Tls-Client-Cert", Proxies: []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")}}
	for _, test := range []struct {
		name  string
		chain []*x509.Certificate
		good  bool
	}{
		{"alone", []*x509.Certificate{mine}, true},
		{"with what signed it", []*x509.Certificate{mine, inter}, true},
		{"with the root", []*x509.Certificate{mine, inter, root}, true},
		{"before another", []*x509.Certificate{mine, other}, false},
		{"its chain before another", []*x509.Certificate{mine, inter, other}, false},
		{"twice", []*x509.Certificate{mine, mine}, false},
		{"after what signed it", []*x509.Certificate{inter, mine}, false},
		{"with the root alone", []*x509.Certificate{mine, root}, false},
	} {
		var parts []string
		var text string
		for _, c := range test.chain {
			parts = append(parts, base64.StdEncoding.EncodeToString(c.Raw))
			text += string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Raw}))
		}
		for field, good := range map[string]bool{
			url.PathEscape(text): test.good, url.PathEscape(text + text[:40]): false, url.PathEscape("x" + text): false,
			strings.ReplaceAll(strings.TrimSpace(text), "\n", " "): test.good,
			strings.Join(parts, ","):                               test.good, strings.Join(parts, ",") + ",": false, ":" + strings.Join(parts, ":,:") + ":": len(parts) == 1,
		} {
			r := httptest.NewRequest("GET", "/", nil)
			r.Header = http.Header{"Authorization": {"Bearer x"}, "X-Forwarded-Tls-Client-Cert": {field}}
			if got := refusalOf(mtls, r, thumbprintOf(mine)); (got == "") != good {
				t.Errorf("%s: %q", test.name, got)
			}
		}
	}
}

// issue makes a certificate that may sign others.
func issue(t *testing.T, by *x509.Certificate, byKey *ecdsa.PrivateKey) (*x509.Certificate, *ecdsa.PrivateKey) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		Subject: pkix.Name{CommonName: rand.Text()}, SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		DNSNames: []string{"localhost"}, IsCA: true, BasicConstraintsValid: true,
	}
	if by == nil {
		by, byKey = template, key
	}
	der, err := x509.CreateCertificate(rand.Reader, template, by, &key.PublicKey, byKey)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return cert, key
}

// refusalOf returns the reason of the rejection of a token with that certificate, "" if it is
// accepted.
func refusalOf(m *rs.MTLS, r *http.Request, thumbprint string) string {
	p := quiet(verifierFunc(func(context.Context, string) (*rs.Principal, error) {
		return &rs.Principal{Subject: "x", Cnf: rs.Confirmation{CertificateThumbprint: thumbprint}}, nil
	}))
	p.MTLS = m
	if _, err := p.Check(r); err != nil {
		return err.Error()
	}
	return ""
}

func readRequest(t *testing.T, name string) *http.Request {
	t.Helper()
	f, err := os.Open(filepath.Join("testdata/proxies", name))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	r, err := http.ReadRequest(bufio.NewReader(f))
	if err != nil {
		t.Fatal(err)
	}
	r.RemoteAddr = "192.0.2.1:4711"
	return r
}

func readCertificate(t *testing.T, name string) *x509.Certificate {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("testdata/proxies", name))
	if err != nil {
		t.Fatal(err)
	}
	block, _ := pem.Decode(text)
	cert, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	return cert
}
