package interop

import (
	"testing"

	"golang.org/x/oauth2"

	"github.com/countersign/countersign/client"
	"github.com/countersign/countersign/rs"
)

// dpopConfig configures a client whose tokens are bound to a key.
func dpopConfig(s *server, clientID string) client.Config {
	config := s.config(clientID)
	config.DPoP = &client.DPoP{}
	return config
}

func TestDPoP(t *testing.T) {
	proof.each(t, func(t *testing.T, s *server) {
		config := dpopConfig(s, "dpop")
		checkStolen(t, config, checkProofs(t, config))
	})
}

func TestDPoPAtAPI(t *testing.T) {
	proofAtAPI.each(t, func(t *testing.T, s *server) {
		for _, kind := range s.tokens {
			t.Run(kind.name, func(t *testing.T) { checkProofAtAPI(t, s, kind) })
		}
	})
}

// TestDPoPNonce is a server that requires its nonces in proofs.
func TestDPoPNonce(t *testing.T) {
	proofNonce.each(t, func(t *testing.T, s *server) {
		config := dpopConfig(s, "dpop-nonce")
		checkStolen(t, config, checkProofs(t, config))
	})
}

// checkProofs signs in, calls UserInfo and refreshes, with proofs.
func checkProofs(t *testing.T, config client.Config) *client.Tokens {
	t.Helper()
	c := newClient(t, config)
	tokens := logIn(t, c, client.Request{})
	if tokens.TokenType != "DPoP" {
		t.Errorf("the tokens are of type %s", tokens.TokenType)
	}
	checkAbout(t, c, tokens)
	tokens = refresh(t, c, tokens)
	checkAbout(t, c, tokens)
	checkAbout(t, newClient(t, config), tokens) // which knows no nonce yet
	works(t, "login, refresh and UserInfo with proofs")
	return tokens
}

// checkStolen uses tokens without their key.
func checkStolen(t *testing.T, config client.Config, tokens *client.Tokens) {
	t.Helper()
	_, err := newClient(t, config).UserInfo(t.Context(), asBearer(tokens))
	checkStep(t, err, client.StepUserInfo, "invalid_token", "login_failed")
	other := *tokens
	other.DPoPKey = logIn(t, newClient(t, config), client.Request{}).DPoPKey
	_, err = newClient(t, config).UserInfo(t.Context(), &other)
	checkStep(t, err, client.StepUserInfo, "invalid_token", "invalid_dpop_proof", "login_failed")

	config.DPoP = nil
	_, err = newClient(t, config).Refresh(t.Context(), tokens)
	checkToken(t, err, "invalid_request", "invalid_grant", "invalid_dpop_proof")
}

// asBearer sends a token without a proof.
func asBearer(tokens *client.Tokens) *client.Tokens {
	out := *tokens
	out.Token = &oauth2.Token{AccessToken: tokens.AccessToken, TokenType: "Bearer"}
	return &out
}

// checkProofAtAPI sends the token to APIs with nonces and without.
func checkProofAtAPI(t *testing.T, s *server, kind tokenKind) {
	c := newClient(t, dpopConfig(s, "dpop"))
	tokens := logIn(t, c, kind.request())
	for _, nonceKey := range [][]byte{nil, []byte("interop: at least 32 bytes for nonces")} {
		dpop := &rs.DPoP{Required: true, NonceKey: nonceKey}
		api := serve(t, &rs.Protection{Tokens: boundVerifier(s, kind), DPoP: dpop}) + "/photos"
		if got := ask(t, c, transport(t, ""), api, tokens); got != "200" {
			t.Errorf("with a proof the API answers %s", got)
		}
		if got := ask(t, c, transport(t, ""), api, asBearer(tokens)); got != "401 invalid_token" {
			t.Errorf("without a proof the API answers %s", got)
		}
	}
	works(t, "the API takes the token with a proof and not without, with and without nonces")
}

// boundVerifier is the verifier of the kind. Keycloak's bound tokens have another typ.
func boundVerifier(s *server, kind tokenKind) rs.Verifier {
	verifier := kind.verifier(s)
	if jwt, ok := verifier.(*rs.JWT); ok && s.name == keycloak.name {
		jwt.Claims = map[string]string{"typ": "DPoP"}
	}
	return verifier
}
