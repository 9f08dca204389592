package rs_test

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/countersign/countersign/discovery"
	"github.com/countersign/countersign/internal/optest"
	"github.com/countersign/countersign/rs"
)

// container is the client of a machine that resolves keycloak to server, as in a network of
// containers.
func container(server *httptest.Server) *http.Client {
	return &http.Client{Transport: &http.Transport{DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, network, server.Listener.Addr().String())
	}}}
}

// TestInsecureHTTP: http://keycloak:8080 needs InsecureHTTP, and the error contains this name.
// Names under localhost do not need it (RFC 6761 §6.3).
func TestInsecureHTTP(t *testing.T) {
	k := optest.NewKey("k1", "RS256")
	for _, host := range []string{"keycloak:8080", "host.docker.internal:8080", "keycloak.localhost:8080"} {
		issuer := "http://" + host + "/realms/main"
		mux := http.NewServeMux()
		server := httptest.NewServer(mux)
		defer server.Close()
		document := func(body string) http.HandlerFunc {
			return func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Content-Type", "application/json")
				fmt.Fprint(w, body)
			}
		}
		mux.HandleFunc("/realms/main/.well-known/openid-configuration", document(strings.ReplaceAll(
			`{"issuer":"I","authorization_endpoint":"I/a","token_endpoint":"I/t","jwks_uri":"I/jwks","introspection_endpoint":"I/introspect","response_types_supported":["code"]}`, "I", issuer)))
		mux.HandleFunc("/realms/main/jwks", document(string(optest.JWKS(k))))
		mux.HandleFunc("/realms/main/introspect", document(`{"active":true,"sub":"alice","client_id":"rp","aud":"api","scope":"photos.read"}`))
		mux.HandleFunc("/realms/main/token", document(`{"access_token":{},"token_type":"Bearer","expires_in":60,"client_id":"rp","scope":"photos.read"}`))
		for _, insecure := range []bool{true, false} {
			provider := func() *discovery.Provider {
				return &discovery.Provider{Issuer: issuer, HTTP: container(server), InsecureHTTP: insecure}
			}
			claims := m{"iss": issuer, "aud": "api", "sub": "alice", "client_id": "rp", "jti": "1", "scope": "photos.read", "iat": 1_700_000_000, "exp": 2_000_000_000}
			for token, v := range map[string]rs.Verifier{
				k.Sign(claims, m{"typ": "at+jwt"}): &rs.JWT{Issuer: issuer, Audience: "api", Keys: provider().Keys()},
				"opaque-by-metadata":               &rs.Introspection{Server: provider(), Issuer: issuer, Audience: "api", Auth: noAuth{}, HTTP: container(server)},
				"opaque":                           &rs.Introspection{URL: issuer + "/introspect", InsecureHTTP: insecure, Issuer: issuer, Audience: "api", Auth: noAuth{}, HTTP: container(server)},
				"ping":                             &rs.PingValidateBearer{URL: issuer + "/token", InsecureHTTP: insecure, Issuer: issuer, Clients: []string{"rp"}, Auth: noAuth{}, HTTP: container(server)},
			} {
				_, err := v.VerifyToken(t.Context(), token)
				ok := insecure || strings.Contains(host, ".localhost")
				if (err == nil) != ok || !ok && !strings.Contains(err.Error(), "InsecureHTTP") {
					t.Errorf("%s, %T, InsecureHTTP %v: %v", host, v, insecure, err)
				}
			}
		}
	}
}
