package rs_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"math/big"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/countersign/countersign/internal/optest"
	"github.com/countersign/countersign/rs"
)

func newCertificate(t testing.TB) *x509.Certificate {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return cert
}

func thumbprintOf(c *x509.Certificate) string {
	sum := sha256.Sum256(c.Raw)
	return optest.B64(sum[:])
}

// TestMTLS: RFC 8705 §3; forwarded certificates, RFC 9440 §2. RS-08.
func TestMTLS(t *testing.T) {
	s := optest.New(t)
	cert, other := newCertificate(t), newCertificate(t)
	bound := s.AccessToken(m{"cnf": m{"x5t#S256": thumbprintOf(cert)}}, nil)
	free := s.AccessToken(nil, nil)
	sfv := ":" + base64.StdEncoding.EncodeToString(cert.Raw) + ":"
	text := string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert.Raw}))
	key := string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: cert.Raw}))
	proxied := &rs.MTLS{Header: "Client-Cert", Proxies: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("fd00::/8")}}
	const proxy, stranger = "10.1.2.3:4711", "192.0.2.1:4711"
	for _, test := range []struct {
		name   string
		mtls   *rs.MTLS
		token  string
		peer   *x509.Certificate
		from   string
		fields []string
		status int
	}{
		{"the connection's certificate", nil, bound, cert, stranger, nil, 200},
		{"another certificate", nil, bound, other, stranger, nil, 401},
		{"no certificate", nil, bound, nil, stranger, nil, 401},
		{"an unbound token", nil, free, nil, stranger, nil, 200},
		{"an unbound token, required", &rs.MTLS{Required: true}, free, cert, stranger, nil, 401},
		{"a bound token, required", &rs.MTLS{Required: true}, bound, cert, stranger, nil, 200},
		{"a header that nobody configured", nil, bound, nil, proxy, []string{sfv}, 401},
		{"forwarded", proxied, bound, nil, proxy, []string{sfv}, 200},
		{"forwarded over IPv6", proxied, bound, nil, "[fd00::1]:1", []string{sfv}, 200},
		{"forwarded from a mapped address", proxied, bound, nil, "[::ffff:10.0.0.1]:1", []string{sfv}, 200},
		{"forwarded as PEM", proxied, bound, nil, proxy, []string{url.PathEscape(text)}, 200},
		{"forwarded as DER", proxied, bound, nil, proxy, []string{base64.StdEncoding.EncodeToString(cert.Raw)}, 200},
		{"forwarded by a stranger", proxied, bound, nil, stranger, []string{sfv}, 401},
		{"forwarded by a stranger with another certificate", proxied, bound, other, stranger, []string{sfv}, 401},
		{"the client's own connection beside a proxy", proxied, bound, cert, stranger, nil, 200},
		{"the proxy's own certificate", proxied, bound, cert, proxy, nil, 401},
		{"another's forwarded", proxied, bound, cert, proxy, []string{":" + base64.StdEncoding.EncodeToString(other.Raw) + ":"}, 401},
		{"two forwarded", proxied, bound, nil, proxy, []string{sfv, sfv}, 401},
		{"nothing forwarded", proxied, bound, nil, proxy, []string{""}, 401},
		{"not closed", proxied, bound, nil, proxy, []string{strings.TrimSuffix(sfv, ":")}, 401},
		{"two in one PEM", proxied, bound, nil, proxy, []string{url.PathEscape(text + text)}, 401},
		{"PEM of another kind", proxied, bound, nil, proxy, []string{url.PathEscape(key)}, 401},
		{"not a certificate", proxied, bound, nil, proxy, []string{":AAAA:"}, 401},
		{"from no address", proxied, bound, nil, "@", []string{sfv}, 401},
		{"no proxies configured", &rs.MTLS{Header: "Client-Cert"}, bound, cert, proxy, []string{sfv}, 503},
	} {
		t.Run(test.name, func(t *testing.T) {
			p := quiet(jwtVerifier(s))
			p.MTLS = test.mtls
			r := httptest.NewRequest("GET", "/", nil)
			r.Header, r.RemoteAddr = bearer(test.token), test.from
			if test.fields != nil {
				r.Header["Client-Cert"] = test.fields
			}
			if test.peer != nil {
				r.TLS = &tls.ConnectionState{PeerCertificates: []*x509.Certificate{test.peer}}
			}
			w := httptest.NewRecorder()
			p.Handler(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})).ServeHTTP(w, r)
			if w.Code != test.status {
				t.Errorf("%d %s", w.Code, w.Body)
			}
		})
	}
}

// TestBothBindings: a token that is bound twice needs both proofs.
func TestBothBindings(t *testing.T) {
	s := optest.New(t)
	h, cert := newHolder(t), newCertificate(t)
	token := s.AccessToken(m{"cnf": m{"jkt": h.thumbprint, "x5t#S256": thumbprintOf(cert)}}, nil)
	p := withDPoP(jwtVerifier(s), &rs.DPoP{})
	for _, peer := range []*x509.Certificate{cert, newCertificate(t)} {
		r := httptest.NewRequest("GET", "/", nil)
		r.Header = dpopHeader(token, h.proof(token, base+"/", nil))
		r.TLS = &tls.ConnectionState{PeerCertificates: []*x509.Certificate{peer}}
		if _, err := p.Check(r); (err == nil) != (peer == cert) {
			t.Errorf("%v", err)
		}
		r.Header = bearer(token)
		if _, err := p.Check(r); err == nil {
			t.Error("accepted without a proof")
		}
	}
}
