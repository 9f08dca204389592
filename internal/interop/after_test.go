package interop

import (
	"slices"
	"testing"

	"github.com/countersign/countersign/client"
	"github.com/countersign/countersign/client/auth"
	"github.com/countersign/countersign/rs"
)

// introspector returns the client that may introspect a token of client basic. Keycloak answers
// only clients in the token's audience.
var introspector = map[string]string{"oidc-provider": "basic", "keycloak": apiID, "hydra": "basic"}

// TestIntrospectByClient introspects the token of a login, and an invalid one.
func TestIntrospectByClient(t *testing.T) {
	introspectedByClient.each(t, func(t *testing.T, s *server) {
		tokens := logIn(t, newClient(t, s.config("basic")), client.Request{})
		config := s.config(introspector[s.name])
		config.Metadata = s.metadata // hydra does not announce the endpoint
		checkIntrospected(t, newClient(t, config), tokens, "basic")
	})
}

// checkIntrospected: the server must know the token of client clientID, and no others.
func checkIntrospected(t *testing.T, c *client.Client, tokens *client.Tokens, clientID string) {
	t.Helper()
	about := introspect(t, c, tokens.AccessToken, "access_token")
	if !about.Active || about.ClientID != clientID || !slices.Contains(about.Scopes, "photos.read") || about.Expiry.IsZero() {
		t.Errorf("about the access token: %+v", about)
	}
	if about := introspect(t, c, "garbage", ""); about.Active || about.Subject != "" {
		t.Errorf("about a token that is none: %+v", about)
	}
	works(t, "the token of client %s, scopes %q", about.ClientID, about.Scopes)
}

func introspect(t *testing.T, c *client.Client, token, hint string) *client.Introspected {
	t.Helper()
	about, err := c.Introspect(t.Context(), token, hint)
	if err != nil {
		t.Fatal(err)
	}
	return about
}

// TestIntrospectSigned requires signed responses, and rejects plain ones.
func TestIntrospectSigned(t *testing.T) {
	introspectedSigned.each(t, func(t *testing.T, s *server) {
		config := s.config("signed-introspection")
		config.IntrospectionAlgs = []string{"PS256"}
		c := newClient(t, config)
		tokens := logIn(t, c, client.Request{})
		checkIntrospected(t, c, tokens, "signed-introspection")
		for id, want := range map[string][]string{"signed-introspection": {"200"}, "basic": {"503"}} {
			checkStatus(t, newAPI(t, s.signedIntrospection(id, nil))+"/photos", tokens.AccessToken, want)
		}

		config.IntrospectionAlgs = []string{"RS256"}
		_, err := newClient(t, config).Introspect(t.Context(), tokens.AccessToken, "")
		checkStep(t, err, client.StepIntrospect, "login_failed")
		config = s.config("basic")
		config.IntrospectionAlgs = []string{"PS256"}
		_, err = newClient(t, config).Introspect(t.Context(), tokens.AccessToken, "")
		checkStep(t, err, client.StepIntrospect, "login_failed")
	})
}

// TestIntrospectEncrypted requires encrypted responses, as a client and at an API, and rejects
// those that are only signed.
func TestIntrospectEncrypted(t *testing.T) {
	introspectedEncrypted.each(t, func(t *testing.T, s *server) {
		config := s.config("encrypted-introspection")
		config.IntrospectionAlgs, config.IntrospectionDecryptionKeys = []string{"PS256"}, decryptionKeys(t)
		c := newClient(t, config)
		tokens := logIn(t, c, client.Request{})
		checkIntrospected(t, c, tokens, "encrypted-introspection")

		config.ClientID = "signed-introspection"
		_, err := newClient(t, config).Introspect(t.Context(), tokens.AccessToken, "")
		checkStep(t, err, client.StepIntrospect, "login_failed")

		for id, want := range map[string][]string{"encrypted-introspection": {"200"}, "signed-introspection": {"503"}} {
			checkStatus(t, newAPI(t, s.signedIntrospection(id, apiDecryptionKeys(t)))+"/photos", tokens.AccessToken, want)
		}
	})
}

// signedIntrospection is the configuration of an API that requires signed responses.
func (s *server) signedIntrospection(id string, keys []rs.DecryptionKey) *rs.Introspection {
	out := s.introspection("")
	out.Auth = auth.SecretBasic(secret).For(id, s.issuer)
	out.Signed = &rs.SignedAnswers{Recipient: id, Keys: s.provider.Keys(), Algs: []string{"PS256"}, DecryptionKeys: keys}
	return out
}

func apiDecryptionKeys(t *testing.T) []rs.DecryptionKey {
	t.Helper()
	own := decryptionKeys(t)[0]
	return []rs.DecryptionKey{{KeyID: own.KeyID, Key: own.Key}}
}

// TestRevoke revokes the tokens of a login. Afterwards they are rejected.
func TestRevoke(t *testing.T) {
	revoked.each(t, func(t *testing.T, s *server) {
		config := s.config("basic")
		c := newClient(t, config)
		tokens := logIn(t, c, client.Request{})
		checkAbout(t, c, tokens)
		if err := c.RevokeTokens(t.Context(), tokens); err != nil {
			t.Fatal(err)
		}
		_, err := c.Refresh(t.Context(), tokens)
		checkStep(t, err, client.StepToken, "invalid_grant")
		_, err = c.UserInfo(t.Context(), tokens)
		checkStep(t, err, client.StepUserInfo, "invalid_token", "request_unauthorized") // hydra sends request_unauthorized
		if err := c.RevokeTokens(t.Context(), tokens); err != nil {
			t.Errorf("revoked once more: %v", err)
		}
		config.Auth = auth.SecretBasic("another secret")
		checkStep(t, newClient(t, config).Revoke(t.Context(), tokens.RefreshToken, ""), client.StepRevoke,
			"invalid_client", "unauthorized_client") // Keycloak sends unauthorized_client
	})
}

// silently begins a login with prompt=none.
func silently(t *testing.T, v *visitor, c *client.Client) error {
	t.Helper()
	l := authorizeAs(t, v, c, client.Request{Prompt: []string{"none"}}, nil)
	_, err := c.Finish(t.Context(), l.pending, l.callback)
	return err
}

// TestLogout signs a visitor out, who returns with the state. The server's session ends. The server
// does not redirect to an unregistered address.
func TestLogout(t *testing.T) {
	loggedOut.each(t, func(t *testing.T, s *server) {
		config := s.config("basic")
		config.PostLogoutRedirectURL = appURL + "/bye"
		c := newClient(t, config)
		v := newVisitor(t, nil)
		tokens := finish(t, c, authorizeAs(t, v, c, client.Request{}, nil))
		if err := silently(t, v, c); err != nil {
			t.Errorf("the visitor is not signed in: %v", err)
		}
		idToken, _ := tokens.Extra("id_token").(string)
		redirect, state, err := c.LogoutURL(t.Context(), client.Logout{IDTokenHint: idToken, UILocales: []string{"en"}})
		if err != nil {
			t.Fatal(err)
		}
		bye := &landing{}
		v.goTo(bye)
		if _, err := v.visit(redirect); err != nil {
			t.Fatal(err)
		}
		if err := client.CheckLogout(state, bye.callback); err != nil {
			t.Error(err)
		}
		if client.CheckLogout(state+"x", bye.callback) == nil {
			t.Error("another state was taken")
		}
		checkStep(t, silently(t, v, c), client.StepCallback, "login_required")

		config.PostLogoutRedirectURL = appURL + "/elsewhere"
		redirect, _, err = newClient(t, config).LogoutURL(t.Context(), client.Logout{IDTokenHint: idToken})
		if err != nil {
			t.Fatal(err)
		}
		if p, err := v.visit(redirect); err == nil {
			t.Errorf("the visitor came back to %s", p.url)
		}
	})
}
