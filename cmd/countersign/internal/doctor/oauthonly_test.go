package doctor_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/countersign/countersign/cmd/countersign/internal/doctor"
	"github.com/countersign/countersign/discovery/issuertest"
)

// oauthServer has metadata for OAuth only: without OpenID Connect, and without keys. It writes the
// issuer with the given end. MCP servers are such servers.
func oauthServer(t *testing.T, end, members string) (string, *doctor.Report) {
	t.Helper()
	answers := map[string]http.HandlerFunc{metadata: writes(404, "text/plain", "")}
	issuer, pool := start(t, issuertest.Config{}, answers)
	answers[oauth] = writes(200, "application/json", fmt.Sprintf(`{"issuer":%q,"authorization_endpoint":%q,"token_endpoint":%q,"response_types_supported":["code"]%s}`,
		issuer+end, issuer+"/authorize", issuer+"/token", strings.ReplaceAll(members, "ISSUER", issuer)))
	return issuer, doctor.Examine(t.Context(), doctor.Options{Issuer: issuer, RootCAs: pool})
}

// TestIssuerOfOAuthServer: the remedy names the address that has the metadata.
func TestIssuerOfOAuthServer(t *testing.T) {
	issuer, report := oauthServer(t, "/", "")
	want := fmt.Sprintf("set Issuer to %q and DiscoveryURL to %q", issuer+"/", issuer+oauth)
	if !hasFinding(report, doctor.Problem, "issuer", want) {
		t.Errorf("%q is missing: %+v", want, report.Findings)
	}
}

// TestIssuerBesideMetadata: no DiscoveryURL is advised where the correct Issuer leads to the same
// address.
func TestIssuerBesideMetadata(t *testing.T) {
	report, published := misspelled(t, func(issuer string) string { return issuer + "/" })
	for _, f := range report.Findings {
		if f.Topic == "issuer" && f.Remedy != fmt.Sprintf("set Issuer to %q", published) {
			t.Errorf("%+v", f)
		}
	}
}

// TestNoKeys: without a jwks_uri no JWT can be verified, so the printed configuration is an
// Introspection.
func TestNoKeys(t *testing.T) {
	for members, want := range map[string]string{
		"": "\tURL: \"https://as.example/introspect\", // the metadata names no introspection_endpoint",
		`,"introspection_endpoint":"ISSUER/introspect"`: "\tServer: server,\n",
	} {
		_, report := oauthServer(t, "", members)
		for _, part := range []string{"api := &rs.Introspection{", want, "Auth: auth.SecretBasic("} {
			if !strings.Contains(report.APIConfig, part) {
				t.Errorf("%q is missing:\n%s", part, report.APIConfig)
			}
		}
		if strings.Contains(report.APIConfig, "rs.JWT") || !hasFinding(report, doctor.Warning, "keys", "use rs.Introspection") {
			t.Errorf("%s\n%+v", report.APIConfig, report.Findings)
		}
	}
}

// TestBothKinds: the metadata does not say whether access tokens are JWTs.
func TestBothKinds(t *testing.T) {
	issuer, pool := start(t, issuertest.Config{}, nil)
	report := doctor.Examine(t.Context(), doctor.Options{Issuer: issuer, RootCAs: pool})
	if !strings.Contains(report.APIConfig, "// If the access tokens are not JWTs, use rs.Introspection") {
		t.Error(report.APIConfig)
	}
}
