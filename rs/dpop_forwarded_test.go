package rs_test

import (
	"net/http/httptest"
	"testing"

	"github.com/countersign/countersign/internal/optest"
	"github.com/countersign/countersign/rs"
)

// TestDPoPForwarded: the htu of a proof is compared with DPoP.BaseURL, also if a client writes
// another address into the headers of proxies. RS-09.
func TestDPoPForwarded(t *testing.T) {
	s, h := optest.New(t), newHolder(t)
	token := s.AccessToken(m{"cnf": m{"jkt": h.thumbprint}}, nil)
	p := withDPoP(jwtVerifier(s), &rs.DPoP{})
	for htu, good := range map[string]bool{base + "/photos": true, "https://evil.example/v1/photos": false, "https://evil.example/photos": false} {
		r := httptest.NewRequest("GET", "/photos", nil)
		r.Header = dpopHeader(token, h.proof(token, htu, nil))
		for name, value := range map[string]string{"X-Forwarded-Host": "evil.example", "X-Forwarded-Proto": "https", "Forwarded": "host=evil.example;proto=https", "X-Original-Host": "evil.example"} {
			r.Header.Set(name, value)
		}
		if _, err := p.Check(r); (err == nil) != good {
			t.Errorf("htu %s: %v", htu, err)
		}
	}
}
