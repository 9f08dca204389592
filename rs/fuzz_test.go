package rs_test

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"

	"github.com/countersign/countersign/rs"
)

// FuzzAuthorization: a token is read from the header only if the header is the scheme,
// one or more spaces and that token. RS-01.
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
		if err == nil && (len(field) < 8 || !strings.EqualFold(field[:7], "Bearer ") || got != strings.TrimLeft(field[7:], " ") || strings.ContainsAny(got, " \t,;\"\\\r\n\x00")) {
			t.Errorf("%q: took %q", field, got)
		}
	})
}

// FuzzForwardedCertificate: no header of a proxy is accepted as the bound certificate, except
// that certificate. Names in another certificate change nothing.
func FuzzForwardedCertificate(f *testing.F) {
	cert := newCertificate(f)
	sum, other := sha256.Sum256(cert.Raw), strings.Repeat("00", 32)
	mine := hex.EncodeToString(sum[:])
	for _, s := range []string{
		":AAAA:", "-----BEGIN%20CERTIFICATE-----", "AAAA", "", ":", "::", "%", "-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----",
		"-----BEGIN CERTIFICATE----- AAAA -----END CERTIFICATE-----", "AAAA,AAAA", ",", "(null)",
		"By=x;Hash=" + other + `;Cert="a%20b";Subject="CN=\"a\",O=b";URI=c`, "a,Hash=" + mine, "a;Hash=" + mine, "a;Cert=x", `";Hash=` + mine + `;X="`, `a\,Hash=` + mine, "a, By=b;hAsH=" + mine,
	} {
		f.Add(s)
	}
	p := quiet(verifierFunc(func(context.Context, string) (*rs.Principal, error) {
		return &rs.Principal{Subject: "x", Cnf: rs.Confirmation{CertificateThumbprint: thumbprintOf(cert)}}, nil
	}))
	proxies := []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")}
	refuses := func(t *testing.T, xfcc int, field string) {
		p.MTLS = &rs.MTLS{Header: "Client-Cert", XFCC: xfcc, Proxies: proxies}
		r := httptest.NewRequest("GET", "/", nil)
		r.Header = http.Header{"Authorization": {"Bearer x"}, "Client-Cert": {field}}
		if _, err := p.Check(r); err == nil {
			t.Errorf("%d: %q is taken for the certificate", xfcc, field)
		}
	}
	f.Fuzz(func(t *testing.T, field string) {
		refuses(t, 0, field)
		if !strings.Contains(strings.ToLower(field), mine) {
			refuses(t, 1, field)
			refuses(t, 2, field)
		}
		refuses(t, 1, "By=x;Hash="+other+";URI="+field)
		refuses(t, 2, "By=x;Hash="+other+";URI="+field+",Hash="+other)
	})
}
