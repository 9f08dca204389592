package rs_test

import (
	"bufio"
	"context"
	"crypto/x509"
	"encoding/pem"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/countersign/countersign/rs"
)

// TestProxies: what real proxies made of the requests of one client, with its certificate
// and without, byte for byte. The lines that they were set with are those of
// docs/protect-an-api.md where nothing else is said. RS-08.
func TestProxies(t *testing.T) {
	mine, other := thumbprintOf(readCertificate(t, "client.pem")), thumbprintOf(newCertificate(t))
	const none, unread = "comes with none", "cannot be read"
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
		{"envoy-details", "X-Forwarded-Client-Cert", 1, ""}, // everything that it can say
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

// refusalOf is what is said to a request with a token of that certificate; "" if it passes.
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
