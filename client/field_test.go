package client_test

import (
	"encoding/json"
	"net/http"
	"testing"

	"github.com/countersign/countersign/client"
	"github.com/countersign/countersign/client/auth"
	"github.com/countersign/countersign/internal/optest"
)

// TestDevelopmentAddresses: names under localhost are loopback (RFC 6761 §6.3). The names of
// containers need InsecureHTTP.
func TestDevelopmentAddresses(t *testing.T) {
	for _, test := range []struct {
		issuer, redirect string
		insecure, ok     bool
	}{
		{"http://keycloak.localhost:8080/realms/main", "http://app.localhost:3000/cb", false, true},
		{"http://localhost:8080", "http://localhost:3000/cb", false, true},
		{"http://keycloak:8080/realms/main", "http://localhost:3000/cb", false, false},
		{"http://keycloak:8080/realms/main", "http://localhost:3000/cb", true, true},
		{"http://localhost.evil.example", "http://localhost:3000/cb", false, false},
		{"https://as.example", "http://app.example/cb", false, false},
		{"http://keycloak:8080/realms/main", "http://app:3000/cb", true, true},
		{"ftp://keycloak:8080", "http://localhost:3000/cb", true, false},
	} {
		_, err := client.New(client.Config{Issuer: test.issuer, ClientID: "rp", Auth: auth.Public(), RedirectURL: test.redirect, InsecureHTTP: test.insecure})
		if (err == nil) != test.ok {
			t.Errorf("%+v: %v", test, err)
		}
	}
}

// TestDocumentsInABucket: documents without a Content-Type are accepted. HTML is rejected.
func TestDocumentsInABucket(t *testing.T) {
	for kind, ok := range map[string]bool{"application/octet-stream": true, "application/json": true, "text/html": false} {
		s := optest.New(t)
		serve := func(v any) http.HandlerFunc {
			return func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Content-Type", kind)
				json.NewEncoder(w).Encode(v)
			}
		}
		s.Replace("/.well-known/openid-configuration", serve(m{
			"issuer": s.URL, "authorization_endpoint": s.URL + "/authorize", "token_endpoint": s.URL + "/token", "jwks_uri": s.URL + "/jwks",
			"response_types_supported": []string{"code"}, "subject_types_supported": []string{"public"}, "id_token_signing_alg_values_supported": []string{"RS256"},
		}))
		s.Replace("/jwks", serve(json.RawMessage(optest.JWKS(s.Keys...))))
		cfg := config(s)
		err := attempt(t, s, cfg)
		if (err == nil) != ok {
			t.Errorf("%s: %v", kind, err)
		}
	}
}
