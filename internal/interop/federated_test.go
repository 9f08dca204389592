package interop

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/countersign/countersign/client"
	"github.com/countersign/countersign/client/auth"
	"github.com/countersign/countersign/client/grant"
)

// The platform of a program is an issuer too. Here two oidc-providers issue short-lived JWTs for
// one audience to each workload. Keycloak finds their keys through the proxy.

const (
	platformIssuer  = "http://platform.example"
	clusterIssuer   = "http://cluster.example" // of a Kubernetes cluster
	workload        = "workload"
	serviceAccount  = "system:serviceaccount:default:app"
	spiffeID        = "spiffe://platform.example/workload"
	platformTimeout = 10 * time.Second
)

// toPlatform forwards Keycloak's requests for platform.example and cluster.example.
func toPlatform() http.Handler {
	address, err := url.Parse(os.Getenv("COUNTERSIGN_INTEROP_PLATFORM"))
	if err != nil {
		panic(err) // the script's own
	}
	return &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) {
		r.SetURL(address)
		r.Out.Host = r.In.Host
	}}
}

// platformToken requests the assertion of a workload from the platform.
func platformToken(ctx context.Context, issuer, subject, audience string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, platformTimeout)
	defer cancel()
	form := url.Values{"grant_type": {"client_credentials"}, "resource": {audience}}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, os.Getenv("COUNTERSIGN_INTEROP_PLATFORM")+"/token", strings.NewReader(form.Encode()))
	if err != nil {
		return "", err
	}
	r.Host = strings.TrimPrefix(issuer, "http://")
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.SetBasicAuth(url.QueryEscape(subject), url.QueryEscape(secret))
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	var answer struct {
		AccessToken string `json:"access_token"`
		Error       string `json:"error_description"`
	}
	if err := json.NewDecoder(resp.Body).Decode(&answer); err != nil || answer.AccessToken == "" {
		return "", fmt.Errorf("the platform answers %s, %s, %v", resp.Status, answer.Error, err)
	}
	return answer.AccessToken, nil
}

// workloadAPI is the SPIFFE Workload API of the platform.
type workloadAPI struct{}

func (workloadAPI) FetchJWTSVID(ctx context.Context, audience string) (string, error) {
	return platformToken(ctx, platformIssuer, spiffeID, audience)
}

// checkFederated authenticates at every endpoint with the platform's assertion. An assertion with
// another signature is rejected.
func checkFederated(t *testing.T, s *server, clientID string, method, strange auth.Method) {
	t.Helper()
	theElsewhere(t)
	config := s.config(clientID)
	config.Auth = method
	checkKnown(t, config)
	c := newClient(t, s.with(clientID, method))
	issued, err := grant.ClientCredentials(t.Context(), c, client.TokenRequest{})
	if err != nil {
		t.Fatal(err)
	}
	// Keycloak reports a token as inactive if the caller is not in its audience. Any response
	// means that it knows the client.
	if _, err := c.Introspect(t.Context(), issued.AccessToken, ""); err != nil {
		t.Error(err)
	}
	if err := c.Revoke(t.Context(), issued.AccessToken, "access_token"); err != nil {
		t.Error(err)
	}
	works(t, "a token for the workload, introspected and revoked")

	c = newClient(t, s.with(clientID, strange))
	_, err = grant.ClientCredentials(t.Context(), c, client.TokenRequest{})
	checkToken(t, err, "invalid_client", "unauthorized_client")
	if _, err := c.Introspect(t.Context(), issued.AccessToken, ""); err == nil {
		t.Error("introspection by a client that the server does not know")
	}
	works(t, "an assertion that somebody else signed is rejected")
}

func (s *server) with(clientID string, method auth.Method) client.Config {
	config := s.daemon(clientID)
	config.Auth = method
	return config
}

// strangeAssertion has the right claims and a wrong signature.
func strangeAssertion(t *testing.T, s *server, subject, issuer string) func(context.Context) (string, error) {
	key := strangeKey(t)
	key.Alg = "RS256"
	return func(context.Context) (string, error) {
		return auth.Assertion{Typ: "JWT"}.Sign(key, auth.Binding{ClientID: subject, Issuer: s.issuer}, map[string]any{"iss": issuer})
	}
}

// TestFederated: the platform's JWT is the client assertion.
func TestFederated(t *testing.T) {
	federatedJWT.each(t, func(t *testing.T, s *server) {
		method := auth.FederatedFunc(func(ctx context.Context) (string, error) {
			return platformToken(ctx, platformIssuer, workload, s.issuer)
		}, auth.FederatedAssertion{})
		checkFederated(t, s, "federated", method, auth.FederatedFunc(strangeAssertion(t, s, workload, platformIssuer), auth.FederatedAssertion{}))
	})
}

// TestFederatedKubernetes: a projected service account token, in a file that the kubelet
// replaces.
func TestFederatedKubernetes(t *testing.T) {
	federatedKubernetes.each(t, func(t *testing.T, s *server) {
		file := filepath.Join(t.TempDir(), "token")
		project := func(get func(context.Context) (string, error)) {
			token, err := get(t.Context())
			if err == nil {
				err = os.WriteFile(file, []byte(token), 0o600)
			}
			if err != nil {
				t.Fatal(err)
			}
		}
		project(func(ctx context.Context) (string, error) {
			return platformToken(ctx, clusterIssuer, serviceAccount, s.issuer)
		})
		checkFederated(t, s, "federated-kubernetes", auth.FederatedFile(file, auth.FederatedAssertion{}),
			auth.FederatedFunc(strangeAssertion(t, s, serviceAccount, clusterIssuer), auth.FederatedAssertion{}))
	})
}

// TestSPIFFE: a JWT-SVID.
func TestSPIFFE(t *testing.T) {
	spiffeJWT.each(t, func(t *testing.T, s *server) {
		checkFederated(t, s, spiffeID, auth.SPIFFE(workloadAPI{}, auth.FederatedAssertion{}), auth.SPIFFE(strangeSVIDs{strangeAssertion(t, s, spiffeID, platformIssuer)}, auth.FederatedAssertion{}))
	})
}

type strangeSVIDs struct {
	get func(context.Context) (string, error)
}

func (s strangeSVIDs) FetchJWTSVID(ctx context.Context, _ string) (string, error) { return s.get(ctx) }
