package doctor_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/countersign/countersign/cmd/countersign/internal/doctor"
)

// authority signs certificates. The zero value makes self-signed ones.
type authority struct {
	cert *x509.Certificate
	key  crypto.Signer
}

func (a authority) issue(t *testing.T, template *x509.Certificate) authority {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	parent, signer := a.cert, a.key
	if parent == nil {
		parent, signer = template, key
	}
	template.SerialNumber = big.NewInt(time.Now().UnixNano())
	der, err := x509.CreateCertificate(rand.Reader, template, parent, key.Public(), signer)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return authority{cert, key}
}

func ca(name string) *x509.Certificate {
	return &x509.Certificate{
		Subject: pkix.Name{CommonName: name}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
}

func leaf(from, until time.Duration, address string) *x509.Certificate {
	return &x509.Certificate{
		Subject: pkix.Name{CommonName: "as"}, NotBefore: time.Now().Add(from), NotAfter: time.Now().Add(until),
		IPAddresses: []net.IP{net.ParseIP(address)}, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
}

// TestChain: the fault of a certificate or its chain is the only problem in the report.
func TestChain(t *testing.T) {
	root := authority{}.issue(t, ca("root"))
	middle := root.issue(t, ca("intermediate"))
	pool := x509.NewCertPool()
	pool.AddCert(root.cert)
	for name, test := range map[string]struct {
		leaf  *x509.Certificate
		chain []*x509.Certificate
		text  string
	}{
		"complete":          {leaf(-time.Hour, 99*24*time.Hour, "127.0.0.1"), []*x509.Certificate{middle.cert}, ""},
		"incomplete":        {leaf(-time.Hour, time.Hour, "127.0.0.1"), nil, "only its own certificate (as, issued by intermediate)"},
		"expired":           {leaf(-2*time.Hour, -time.Hour, "127.0.0.1"), []*x509.Certificate{middle.cert}, "expired"},
		"not valid yet":     {leaf(time.Hour, 2*time.Hour, "127.0.0.1"), []*x509.Certificate{middle.cert}, "not valid yet"},
		"for another host":  {leaf(-time.Hour, time.Hour, "127.0.0.2"), []*x509.Certificate{middle.cert}, "not for this host"},
		"about to expire":   {leaf(-time.Hour, time.Hour, "127.0.0.1"), []*x509.Certificate{middle.cert}, ""},
		"another authority": {leaf(-time.Hour, time.Hour, "127.0.0.1"), []*x509.Certificate{middle.cert, authority{}.issue(t, ca("other")).cert}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			issued := middle.issue(t, test.leaf)
			raw := [][]byte{issued.cert.Raw}
			for _, c := range test.chain {
				raw = append(raw, c.Raw)
			}
			server := httptest.NewUnstartedServer(http.NotFoundHandler())
			server.TLS = &tls.Config{Certificates: []tls.Certificate{{Certificate: raw, PrivateKey: issued.key}}}
			server.StartTLS()
			defer server.Close()
			report := doctor.Examine(t.Context(), doctor.Options{Issuer: server.URL, RootCAs: pool})
			if test.text == "" && hasFinding(report, doctor.Problem, "tls", "") || test.text != "" && (report.Problems() != 1 || !hasFinding(report, doctor.Problem, "tls", test.text)) {
				t.Errorf("expected %q, received %+v", test.text, report.Findings)
			}
			if soon := hasFinding(report, doctor.Warning, "tls", "expires in"); soon != (name == "about to expire" || name == "another authority") {
				t.Errorf("%+v", report.Findings)
			}
		})
	}
}
