package rs_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"

	"github.com/countersign/countersign/rs"
)

// FuzzAuthorization: a token is taken from the header only if the header is the scheme,
// a space and that token.
func FuzzAuthorization(f *testing.F) {
	for _, s := range []string{"Bearer abc", "bearer a.b-c_~+/==", "Bearer  a", "Bearer a b", "DPoP x", "Basic YTpi", "Bearer", "Bearer =", "Bearer a=b", "Bearer\tx", "Bearer a,b", "BEARER é"} {
		f.Add(s)
	}
	var got string
	p := quiet(verifierFunc(func(_ context.Context, token string) (*rs.Principal, error) {
		got = token
		return &rs.Principal{Subject: "x"}, nil
	}))
	f.Fuzz(func(t *testing.T, field string) {
		r := httptest.NewRequest("GET", "/", nil)
		r.Header["Authorization"] = []string{field}
		got = ""
		_, err := p.Check(r)
		if err != nil && got != "" {
			t.Errorf("%q: refused after it was taken", field)
		}
		if err == nil && (len(field) < 8 || !strings.EqualFold(field[:7], "Bearer ") || got != field[7:] || strings.ContainsAny(got, " \t,;\"\\\r\n\x00")) {
			t.Errorf("%q: took %q", field, got)
		}
	})
}

// FuzzForwardedCertificate: whatever a proxy's header says, it is no certificate that
// the token is bound to, unless it is the one.
func FuzzForwardedCertificate(f *testing.F) {
	cert := newCertificate(f)
	for _, s := range []string{":AAAA:", "-----BEGIN%20CERTIFICATE-----", "AAAA", "", ":", "::", "%", "-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----"} {
		f.Add(s)
	}
	p := quiet(verifierFunc(func(context.Context, string) (*rs.Principal, error) {
		return &rs.Principal{Subject: "x", Cnf: rs.Confirmation{CertificateThumbprint: thumbprintOf(cert)}}, nil
	}))
	p.MTLS = &rs.MTLS{Header: "Client-Cert", Proxies: []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")}}
	f.Fuzz(func(t *testing.T, field string) {
		r := httptest.NewRequest("GET", "/", nil)
		r.Header = http.Header{"Authorization": {"Bearer x"}, "Client-Cert": {field}}
		if _, err := p.Check(r); err == nil {
			t.Errorf("%q is taken for the certificate", field)
		}
	})
}
