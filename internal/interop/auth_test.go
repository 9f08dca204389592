package interop

import (
	"net/http"
	"testing"

	"github.com/countersign/countersign/client"
	"github.com/countersign/countersign/client/auth"
	"github.com/countersign/countersign/rs"
)

// checkUnknown: the client must be rejected wherever it authenticates.
func checkUnknown(t *testing.T, config client.Config) {
	t.Helper()
	if pushed(t, config) {
		_, _, err := newClient(t, config).Begin(t.Context(), client.Request{})
		checkPush(t, err, "invalid_client", "invalid_request", "unauthorized_client") // Keycloak sends one of the last two
	}

	config.PAR = client.PAROff
	c := newClient(t, config)
	l := authorize(t, c, client.Request{}, false)
	_, err := c.Finish(t.Context(), l.pending, l.callback)
	checkToken(t, err, "invalid_client", "unauthorized_client", "invalid_request") // Keycloak sends unauthorized_client, hydra invalid_request
}

// pushed reports whether the client's server has an endpoint for pushed requests.
func pushed(t *testing.T, config client.Config) bool {
	t.Helper()
	metadata, err := newClient(t, config).Metadata(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return pushes(metadata)
}

// checkKnown signs in, calls UserInfo and refreshes: everywhere the client authenticates.
func checkKnown(t *testing.T, config client.Config) {
	t.Helper()
	c := newClient(t, config)
	tokens := logIn(t, c, client.Request{})
	checkAbout(t, c, tokens)
	checkAbout(t, c, refresh(t, c, tokens))
	works(t, "code redeemed, refreshed, as %s", config.Auth.Name())
}

func TestPrivateKeyJWT(t *testing.T) {
	privateKeyJWT.each(t, func(t *testing.T, s *server) {
		config := s.config("private-key-jwt")
		config.Auth = auth.PrivateKeyJWT(signingKey(t), s.assertion())
		checkKnown(t, config)

		config.Auth = auth.PrivateKeyJWT(strangeKey(t), s.assertion())
		checkUnknown(t, config)
		config.Auth = auth.PrivateKeyJWT(signingKey(t), auth.Assertion{Audience: "https://other.example"})
		checkUnknown(t, config)
	})
}

func TestSecretJWT(t *testing.T) {
	secretJWT.each(t, func(t *testing.T, s *server) {
		config := s.config("secret-jwt")
		config.Auth = auth.SecretJWT(longSecret, auth.Assertion{})
		checkKnown(t, config)

		config.Auth = auth.SecretJWT(longSecret+"!", auth.Assertion{})
		checkUnknown(t, config)
	})
}

// TestTLSAuth authenticates with a certificate of an authority that the server trusts,
// and as the same client with another one of that authority.
func TestTLSAuth(t *testing.T) {
	tlsAuth.eachTLS(t, "client", func(t *testing.T, s *server) {
		config := s.config("tls")
		config.Auth = auth.TLS()
		checkKnown(t, config)

		config.HTTP = &http.Client{Transport: transport(t, "other")}
		checkUnknown(t, config)
		config.HTTP = &http.Client{Transport: transport(t, "")}
		checkUnknown(t, config)
	})
}

// TestSelfSigned authenticates with a certificate that the registration holds.
func TestSelfSigned(t *testing.T) {
	selfSigned.eachTLS(t, "self", func(t *testing.T, s *server) {
		config := s.config("self-signed")
		config.Auth = auth.SelfSignedTLS()
		checkKnown(t, config)

		config.HTTP = &http.Client{Transport: transport(t, "client")}
		checkUnknown(t, config)
	})
}

// TestCertificateBound is a client that authenticates with a secret, and whose tokens are bound
// to its certificate. Both the server and an API reject them with another certificate.
func TestCertificateBound(t *testing.T) {
	certificateBound.eachTLS(t, "client", func(t *testing.T, s *server) {
		config := s.config("bound")
		config.CertificateBound = true
		c := newClient(t, config)
		tokens := logIn(t, c, client.Request{})
		checkAbout(t, c, tokens)

		config.HTTP = &http.Client{Transport: transport(t, "other")}
		_, err := newClient(t, config).UserInfo(t.Context(), tokens)
		checkStep(t, err, client.StepUserInfo, "login_failed", "invalid_token")
		checkBoundAtAPI(t, s, c)
	})
}

// checkBoundAtAPI sends the token to an API with its certificate, another one, and none.
func checkBoundAtAPI(t *testing.T, s *server, c *client.Client) {
	t.Helper()
	kind := s.tokens[0]
	tokens := logIn(t, c, kind.request())
	api := serve(t, &rs.Protection{Tokens: kind.verifier(s), MTLS: &rs.MTLS{Required: true}}) + "/photos"
	for name, want := range map[string]string{"client": "200", "other": "401 invalid_token", "": "401 invalid_token"} {
		if got := ask(t, c, transport(t, name), api, tokens); got != want {
			t.Errorf("with the certificate %q the API answers %s, want %s", name, got, want)
		}
		works(t, "with the certificate %q the API answers %s", name, want)
	}
}
