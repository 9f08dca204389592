package rs_test

import (
	"context"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/countersign/countersign/internal/optest"
	"github.com/countersign/countersign/rs"
)

// TestFarExpiry: exp may be up to ten years in the future. TOK-13
func TestFarExpiry(t *testing.T) {
	s := optest.New(t)
	year := 365 * 24 * time.Hour
	for name, test := range map[string]struct {
		in time.Duration
		ok bool
	}{"nine years": {9 * year, true}, "eleven years": {11 * year, false}} {
		token := s.AccessToken(map[string]any{"exp": time.Now().Add(test.in).Unix()}, nil)
		_, err := jwtVerifier(s).VerifyToken(t.Context(), token)
		if (err == nil) != test.ok || err != nil && !strings.Contains(err.Error(), "ten years") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestLongIssuer: Find is not called for an iss of more than 2,048 bytes.
func TestLongIssuer(t *testing.T) {
	s := optest.New(t)
	for name, test := range map[string]struct {
		size  int
		asked bool
	}{"2,048 bytes": {2048, true}, "2,049 bytes": {2049, false}} {
		asked := false
		d := &rs.DynamicIssuers{Find: func(context.Context, string) (rs.Verifier, error) { asked = true; return nil, nil }}
		iss := "https://as.example/" + strings.Repeat("a", test.size-len("https://as.example/"))
		if _, err := d.VerifyToken(t.Context(), s.AccessToken(map[string]any{"iss": iss}, nil)); err == nil || asked != test.asked {
			t.Errorf("%s: asked %v, %v", name, asked, err)
		}
	}
}

// TestNegativeXFCC: a negative XFCC is rejected.
func TestNegativeXFCC(t *testing.T) {
	s := optest.New(t)
	p := quiet(jwtVerifier(s))
	p.MTLS = &rs.MTLS{Header: "X-Forwarded-Client-Cert", XFCC: -1, Proxies: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}}
	if err := p.Ready(t.Context()); err == nil || !strings.Contains(err.Error(), "MTLS.XFCC") {
		t.Errorf("Ready: %v", err)
	}
}

// TestLargestSettings: settings above their maximum are rejected, and the error contains their
// name. Even with the largest MaxSize a token above 64 KiB is rejected.
func TestLargestSettings(t *testing.T) {
	s := optest.New(t)
	const most = 5 * time.Minute
	balancer := func(skew time.Duration) *rs.AWSLoadBalancer {
		return &rs.AWSLoadBalancer{Signers: []string{albARN}, Issuer: "https://as.example", ClientID: "web", Skew: skew}
	}
	for _, skew := range []time.Duration{most, most + 1, -1} {
		asked, signed, id := introspection(s), jwtVerifier(s), &rs.IDToken{Issuer: s.URL, ClientIDs: []string{"web"}, Keys: jwtVerifier(s).Keys, Skew: skew}
		asked.Skew, signed.Skew = skew, skew
		for name, v := range map[string]interface{ Ready(context.Context) error }{"Introspection": asked, "JWT": signed, "IDToken": id, "AWSLoadBalancer": balancer(skew)} {
			err := v.Ready(t.Context())
			if skew == most && err != nil || skew != most && (err == nil || !strings.Contains(err.Error(), name+".Skew")) {
				t.Errorf("%s.Skew %v: %v", name, skew, err)
			}
		}
	}
	j := jwtVerifier(s)
	j.MaxSize = 1 << 20
	for size, ok := range map[int]bool{40 << 10: true, 60 << 10: false} { // base64 makes it a third larger
		_, err := j.VerifyToken(t.Context(), s.AccessToken(m{"x": strings.Repeat("x", size)}, nil))
		if (err == nil) != ok {
			t.Errorf("%d bytes of claims: %v", size, err)
		}
	}
}
