package discovery

import (
	"net/http"
	"net/url"
	"testing"
	"time"

	"github.com/countersign/countersign/internal/endpoint"
)

// FuzzMetadata: an accepted document is of the issuer, and all its addresses are https.
func FuzzMetadata(f *testing.F) {
	const issuer = "https://as.example"
	for _, s := range []string{
		`{"issuer":"https://as.example","authorization_endpoint":"https://as.example/a","token_endpoint":"https://as.example/t","jwks_uri":"https://as.example/j"}`,
		`{"issuer":"https://as.example","authorization_endpoint":"https://as.example/a","token_endpoint":"http://169.254.169.254/","jwks_uri":"https://as.example/j","mtls_endpoint_aliases":{"token_endpoint":"https://m.example/t"}}`,
		`{"issuer":"https://as.example"}`, `{"issuer":"https://as.example","jwks_uri":1}`, `{"issuer":"https://as.example","registration_endpoint":"http://x.example"}`,
		`{"issuer":"https://as.example","token_endpoint":"https://as.example/t","grant_types_supported":["client_credentials"]}`, `{"issuer":"https://evil.example"}`, `{}`, `null`, `{"issuer":"https://as.example","issuer":"x"}`,
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		m, err := parse(body, issuer, endpoint.Policy{})
		if err != nil {
			return
		}
		if m.Issuer != issuer || m.checkComplete(true) == nil && (m.TokenEndpoint == "" || m.signsIn() && (m.AuthorizationEndpoint == "" || m.JWKSURI == "")) {
			t.Errorf("%q gives %+v", body, m)
		}
		for _, e := range append(m.endpoints(), m.MTLS().endpoints()...) {
			u, err := url.Parse(e.url)
			if err != nil || e.url != "" && u.Scheme != "https" && u.Hostname() != "localhost" && u.Hostname() != "::1" && u.Hostname()[:4] != "127." {
				t.Errorf("%s is %q", e.name, e.url)
			}
		}
	})
}

// FuzzLifetime: keys are fresh for a minute to a day, for any Cache-Control.
func FuzzLifetime(f *testing.F) {
	for _, s := range []string{"max-age=600", "no-store", "max-age=99999999999999999999", "public, max-age=\"60\"", "max-age=-1", ",,,=", ""} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, value string) {
		if d := lifetime(http.Header{"Cache-Control": {value}}); d < time.Minute || d > 24*time.Hour {
			t.Errorf("%q gives %v", value, d)
		}
	})
}
