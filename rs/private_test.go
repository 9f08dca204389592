package rs_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/countersign/countersign/client/auth"
	"github.com/countersign/countersign/discovery"
	"github.com/countersign/countersign/internal/optest"
	"github.com/countersign/countersign/rs"
)

// TestMetadataLeadsInside calls every function of the package that follows a server's metadata.
// None reaches a private address, unless the issuer is at one. DISC-03.
func TestMetadataLeadsInside(t *testing.T) {
	var asked atomic.Int32
	inside := httptest.NewTLSServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { asked.Add(1) }))
	defer inside.Close()
	const issuer = "https://as.example.invalid"
	metadata := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprintf(w, `{"issuer":%q,"authorization_endpoint":"%[2]s/a","token_endpoint":"%[2]s/t","jwks_uri":"%[2]s/j","introspection_endpoint":"%[2]s/i","ping_revoked_sris_endpoint":"%[2]s/revokedSris","response_types_supported":["code"]}`, issuer, inside.URL)
	}))
	defer metadata.Close()
	provider := func() *discovery.Provider {
		return &discovery.Provider{Issuer: issuer, URL: strings.Replace(metadata.URL, "127.0.0.1", "localhost", 1)}
	}
	asks := func() *rs.Introspection {
		return &rs.Introspection{Server: provider(), Issuer: issuer, Audience: "api", Auth: auth.SecretBasic("canary-secret").For("rs", issuer)}
	}
	signed := asks()
	signed.Signed = &rs.SignedAnswers{Recipient: "rs", Keys: provider().Keys()}
	jwt := &rs.JWT{Issuer: issuer, Audience: optest.Audience, Keys: provider().Keys()}
	k := optest.NewKey("k1", "RS256")
	token := k.Sign(m{"iss": issuer, "aud": optest.Audience, "sub": "alice", "client_id": "rp", "jti": "1", "iat": 1_700_000_000, "exp": 4_000_000_000 - 2_000_000_000}, m{"typ": "at+jwt"})
	for name, v := range map[string]rs.Verifier{
		"Introspection": asks(), "Introspection, signed": signed, "JWT": jwt, "Issuers": rs.Issuers{jwt},
		"Either, JWT": &rs.JWTOrOpaque{JWT: jwt, Opaque: verifierFunc(nil)}, "Cache": &rs.Cache{Tokens: asks()},
		"Either, opaque": &rs.JWTOrOpaque{JWT: verifierFunc(nil), Opaque: asks()},
	} {
		sent := "canary-opaque"
		if strings.Contains(name, "JWT") || name == "Issuers" {
			sent = token
		}
		_, err := v.VerifyToken(t.Context(), sent)
		if err == nil || !strings.Contains(err.Error(), "private address") {
			t.Errorf("%s: %v", name, err)
		}
		if w := ask(quiet(v), bearer(sent), "/"); w.Code != 503 || strings.Contains(w.Body.String(), "private") {
			t.Errorf("%s: %d %s", name, w.Code, w.Body)
		}
	}
	sessions := &rs.PingSessions{Issuer: issuer, Server: provider(), Auth: asks().Auth}
	_, err := sessions.Revoked(t.Context(), "sri-1")
	for name, err := range map[string]error{"Revoked": err, "Revoke": sessions.Revoke(t.Context(), "sri-1")} {
		if err == nil || !strings.Contains(err.Error(), "private address") {
			t.Errorf("PingSessions, %s: %v", name, err)
		}
	}
	if asked.Load() != 0 {
		t.Errorf("%d requests to a private address", asked.Load())
	}
}
