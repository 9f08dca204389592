package rs_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
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

// TestXFCC: Envoy's header of one proxy and of two. RS-08.
func TestXFCC(t *testing.T) {
	s := optest.New(t)
	cert, other, edge := newCertificate(t), newCertificate(t), newCertificate(t)
	bound := s.AccessToken(m{"cnf": m{"x5t#S256": thumbprintOf(cert)}}, nil)
	hash := func(c *x509.Certificate) string { sum := sha256.Sum256(c.Raw); return hex.EncodeToString(sum[:]) }
	encoded := func(c *x509.Certificate) string {
		text := string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Raw}))
		return strings.NewReplacer("\n", "%0A", " ", "%20", "+", "%2B", "/", "%2F", "=", "%3D").Replace(text)
	}
	mine, second := "By=spiffe://mesh/a;Hash="+hash(cert), "By=spiffe://mesh/b;Hash="+hash(edge)
	for _, test := range []struct {
		name    string
		proxies int
		field   string
		status  int
	}{
		{"the hash", 1, mine, 200},
		{"as Envoy writes it", 1, mine + `;Cert="` + encoded(cert) + `";Subject="CN=a\\, \"b\";c,O=d=e";URI=http://a/?x=y;DNS=a.example;DNS=b.example`, 200},
		{"the certificate alone", 1, `Cert="` + encoded(cert) + `"`, 200},
		{"the certificate, not quoted", 1, `cert=` + encoded(cert), 200},
		{"keys and digits in another case", 1, "HASH=" + strings.ToUpper(hash(cert)), 200},
		{"no By", 1, `Subject="";Hash=` + hash(cert), 200},
		{"two proxies", 2, mine + "," + second, 200},
		{"two proxies, with a space", 2, mine + ", " + second, 200},
		{"another's", 1, "Hash=" + hash(other), 401},
		{"the inner proxy's client", 2, second + "," + mine, 401},
		{"one element of two", 2, mine, 401},
		{"more elements than proxies", 1, mine + "," + second, 401},
		{"one that a client has put before", 1, mine + ",Hash=" + hash(other), 401},
		{"an element in a name", 1, "Hash=" + hash(other) + ";URI=http://x," + mine, 401},
		{"a hash in a name", 1, "Hash=" + hash(other) + ";URI=http://x;Hash=" + hash(cert), 401},
		{"a hash in a name, before", 1, "URI=http://x;Hash=" + hash(cert) + ";Hash=" + hash(other), 401},
		{"a quoted hash in a subject", 1, `Hash=` + hash(other) + `;Subject="CN=\";Hash=` + hash(cert) + `;X=\""`, 401},
		{"two certificates", 1, `Cert="` + encoded(other) + `";Cert="` + encoded(cert) + `"`, 401},
		{"hash and certificate of two", 1, "Hash=" + hash(cert) + `;Cert="` + encoded(other) + `"`, 401},
		{"neither", 1, "By=x;URI=y", 401},
		{"an empty hash", 1, "Hash=", 401},
		{"an empty hash, then one", 1, "Hash=;Hash=" + hash(cert), 401},
		{"a short hash", 1, "Hash=" + hash(cert)[2:], 401},
		{"no hexadecimal", 1, "Hash=" + hash(cert)[:62] + "zz", 401},
		{"not closed", 1, mine + `;Subject="x`, 401},
		{"not closed, escaped", 1, mine + `;Subject="x\`, 401},
		{"text after a quote", 1, mine + `;Subject="x"y`, 401},
		{"a quote within", 1, mine + `;URI=a"b"`, 401},
		{"a trailing semicolon", 1, mine + ";", 401},
		{"a trailing comma", 1, mine + ",", 401},
		{"a leading comma", 1, "," + mine, 401},
		{"no key", 1, "=x;" + mine, 401},
		{"a key with a space", 1, mine + "; URI=x", 401},
		{"RFC 9440", 1, ":" + base64.StdEncoding.EncodeToString(cert.Raw) + ":", 401},
		{"empty", 1, "", 401},
		{"below 0", -1, mine, 503},
		{"not configured", 0, mine, 401},
	} {
		t.Run(test.name, func(t *testing.T) {
			p := quiet(jwtVerifier(s))
			p.MTLS = &rs.MTLS{Header: "X-Forwarded-Client-Cert", XFCC: test.proxies, Proxies: []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")}}
			h := bearer(bound)
			h.Set("X-Forwarded-Client-Cert", test.field)
			if w := ask(p, h, "/"); w.Code != test.status {
				t.Errorf("%d %s", w.Code, w.Body)
			}
			p.MTLS.Proxies = []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}
			if w := ask(p, h, "/"); w.Code == 200 {
				t.Error("taken from a stranger")
			}
		})
	}
	p := quiet(jwtVerifier(s))
	p.MTLS = &rs.MTLS{XFCC: 1}
	if w := ask(p, bearer(bound), "/"); w.Code != 503 {
		t.Errorf("without the header's name: %d", w.Code)
	}
	if p.Ready(t.Context()) == nil {
		t.Error("ready without the header's name")
	}
}

// TestBothBindings: a token with two bindings needs both proofs.
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
