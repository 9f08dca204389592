package interop

import (
	"testing"

	"github.com/countersign/countersign/client"
	"github.com/countersign/countersign/client/auth"
)

// checkProfile signs in with a profile, calls UserInfo and refreshes.
func checkProfile(t *testing.T, config client.Config, profile client.Profile) {
	t.Helper()
	config.Profile = profile
	c := newClient(t, config)
	tokens := logIn(t, c, client.Request{})
	checkAbout(t, c, tokens)
	checkAbout(t, c, refresh(t, c, tokens))
	works(t, "login, refresh and UserInfo by %s", profile)
}

// fapiConfig is the configuration of a client that signs everything with PS256.
func fapiConfig(t *testing.T, s *server, clientID string) client.Config {
	config := s.config(clientID)
	config.Auth = auth.PrivateKeyJWT(signingKey(t), auth.Assertion{})
	config.IDTokenAlgs = []string{"PS256"}
	return config
}

// signed adds signed requests and responses.
func signed(t *testing.T, config client.Config) client.Config {
	config.RequestObject = &client.RequestObject{Keys: signingKey(t)}
	config.ResponseMode, config.ResponseAlgs = "jwt", []string{"PS256"}
	return config
}

func TestPlainProfiles(t *testing.T) {
	profilePlain.each(t, func(t *testing.T, s *server) {
		checkProfile(t, s.config("basic"), client.OIDCBasic)
		checkProfile(t, s.config("basic"), client.OAuth21)
	})
}

func TestFAPI2(t *testing.T) {
	profileFAPI2.each(t, func(t *testing.T, s *server) {
		config := fapiConfig(t, s, "fapi2")
		config.DPoP = &client.DPoP{}
		checkProfile(t, config, client.FAPI2Security)

		config = signed(t, fapiConfig(t, s, "fapi2-signing"))
		config.DPoP = &client.DPoP{}
		checkProfile(t, config, client.FAPI2MessageSigning)
	})
}

// TestFAPI1 uses a signed response, or an ID token with the code. The request is pushed, or in
// the browser's address.
func TestFAPI1(t *testing.T) {
	profileFAPI1.eachTLS(t, "client", func(t *testing.T, s *server) {
		config := signed(t, fapiConfig(t, s, "fapi1"))
		config.Auth, config.CertificateBound = auth.TLS(), true
		checkProfile(t, config, client.FAPI1Advanced)
		config.PAR = client.PAROff
		checkProfile(t, config, client.FAPI1Advanced)

		config.ResponseMode, config.ResponseType = "form_post", client.ResponseCodeIDToken
		checkProfile(t, config, client.FAPI1Advanced)
	})
}
