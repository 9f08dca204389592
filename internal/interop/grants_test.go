package interop

import (
	"net/url"
	"slices"
	"testing"
	"time"

	"github.com/countersign/countersign/client"
	"github.com/countersign/countersign/client/auth"
	"github.com/countersign/countersign/client/grant"
)

// daemon configures a client without logins in a browser.
func (s *server) daemon(clientID string) client.Config {
	config := s.config(clientID)
	config.RedirectURL = ""
	return config
}

// TestClientCredentials: an API accepts the token of a daemon. With the wrong secret there is no
// token.
func TestClientCredentials(t *testing.T) {
	clientCredentials.each(t, func(t *testing.T, s *server) {
		config := s.daemon("daemon")
		kind := s.tokens[0]
		tokens, err := grant.ClientCredentials(t.Context(), newClient(t, config), client.TokenRequest{
			Scopes: []string{"photos.read"}, Resources: kind.request().Resources, Extra: s.audience(),
		})
		if err != nil {
			t.Fatal(err)
		}
		principal, err := kind.verifier(s).VerifyToken(t.Context(), tokens.AccessToken)
		if err != nil || principal.ClientID != "daemon" || !slices.Contains(principal.Scopes, "photos.read") {
			t.Errorf("the API knows %+v, %v", principal, err)
		}
		works(t, "the API knows the daemon")

		if bindsToKeys(s.metadata) {
			checkBoundDaemon(t, config)
		}

		config.Auth = auth.SecretBasic(secret + "!")
		_, err = grant.ClientCredentials(t.Context(), newClient(t, config), client.TokenRequest{})
		checkToken(t, err, "invalid_client", "unauthorized_client") // Keycloak sends unauthorized_client
	})
}

// audience is hydra's parameter for the API that a token is for.
func (s *server) audience() url.Values {
	if s.name == hydra.name {
		return url.Values{"audience": {apiID}}
	}
	return nil
}

func checkBoundDaemon(t *testing.T, config client.Config) {
	t.Helper()
	config.DPoP = &client.DPoP{}
	tokens, err := grant.ClientCredentials(t.Context(), newClient(t, config), client.TokenRequest{})
	if err != nil || tokens.TokenType != "DPoP" {
		t.Errorf("with DPoP: %v, %v", tokens, err)
	}
	works(t, "a token bound to the daemon's key")
}

// TestJWTBearer: the server accepts a JWT of a trusted issuer, which names the user. It rejects a
// JWT that another key signed.
func TestJWTBearer(t *testing.T) {
	jwtBearer.each(t, func(t *testing.T, s *server) {
		c := newClient(t, s.daemon("assertions"))
		request := grant.AssertionRequest{
			Keys: signingKey(t), Issuer: "https://assertions.example", Subject: "alice at work",
			TokenRequest: client.TokenRequest{Scopes: []string{"openid", "photos.read"}, Extra: s.audience()}, Audience: s.assertion().Audience,
		}
		tokens, err := grant.JWTBearer(t.Context(), c, request)
		if err != nil {
			t.Fatal(err)
		}
		principal, err := s.tokens[0].verifier(s).VerifyToken(t.Context(), tokens.AccessToken)
		if err != nil || principal.ClientID != "assertions" || principal.Subject == "" {
			t.Errorf("the API knows %+v, %v", principal, err)
		}
		works(t, "the API knows the user of the assertion")

		request.Keys = strangeKey(t)
		_, err = grant.JWTBearer(t.Context(), c, request)
		checkToken(t, err, "invalid_grant")
		request.Keys, request.Subject = signingKey(t), "mallory at work"
		_, err = grant.JWTBearer(t.Context(), c, request)
		checkToken(t, err, "invalid_grant")
	})
}

// TestTokenExchange: an API that alice calls exchanges her token for another one. It cannot
// exchange a token that is not for it.
func TestTokenExchange(t *testing.T) {
	tokenExchange.each(t, func(t *testing.T, s *server) {
		alice := logIn(t, newClient(t, s.config("basic")), client.Request{})
		c := newClient(t, s.daemon(apiID))
		request := grant.ExchangeRequest{
			SubjectToken: alice.AccessToken, RequestedTokenType: grant.AccessTokenType,
			TokenRequest: client.TokenRequest{Scopes: []string{"photos.read"}},
		}
		tokens, err := grant.TokenExchange(t.Context(), c, request)
		if err != nil {
			t.Fatal(err)
		}
		principal, err := s.tokens[0].verifier(s).VerifyToken(t.Context(), tokens.AccessToken)
		if err != nil || principal.Subject != alice.IDToken.Subject || principal.ClientID != apiID {
			t.Errorf("the next API knows %+v, %v", principal, err)
		}
		works(t, "the token is alice's, and the API's")

		request.RequestedTokenType = grant.IDTokenType
		if tokens, err = grant.TokenExchange(t.Context(), c, request); err != nil || tokens.TokenType != "N_A" {
			t.Errorf("an ID token: %v, %v", tokens, err)
		}
		works(t, "an ID token, which gives access to nothing")

		request.SubjectToken += "x"
		_, err = grant.TokenExchange(t.Context(), c, request)
		checkToken(t, err, "invalid_request", "invalid_token")
		_, err = grant.TokenExchange(t.Context(), newClient(t, s.daemon("daemon")), grant.ExchangeRequest{SubjectToken: alice.AccessToken})
		checkToken(t, err, "invalid_request", "unauthorized_client", "access_denied")
	})
}

// TestDevice: alice allows a device in her browser, and denies another one.
func TestDevice(t *testing.T) {
	deviceLogin.each(t, func(t *testing.T, s *server) {
		t.Parallel()
		c := newClient(t, s.daemon("device"))
		v := newVisitor(t, nil)
		device := beginDevice(t, c)
		if err := v.decide(device.VerificationURIComplete); err != nil {
			t.Fatal(err)
		}
		tokens, err := grant.FinishDevice(t.Context(), c, device)
		if err != nil {
			t.Fatal(err)
		}
		checkAbout(t, c, tokens)
		works(t, "alice allows the device")
		if tokens.RefreshToken != "" {
			checkAbout(t, c, refresh(t, c, tokens))
			works(t, "the device refreshes its tokens")
		}

		v = newVisitor(t, nil)
		v.refuses = true
		device = beginDevice(t, c)
		if err := v.decide(device.VerificationURIComplete); err != nil {
			t.Fatal(err)
		}
		_, err = grant.FinishDevice(t.Context(), c, device)
		checkToken(t, err, "access_denied")
	})
}

func beginDevice(t *testing.T, c *client.Client) *grant.Device {
	t.Helper()
	device, err := grant.BeginDevice(t.Context(), c, client.TokenRequest{})
	if err != nil {
		t.Fatal(err)
	}
	works(t, "the user is sent to %s", device.VerificationURI)
	return device
}

// TestBackchannel: alice allows a login on her phone while the client polls, and denies another
// one.
func TestBackchannel(t *testing.T) {
	backchannelPoll.each(t, func(t *testing.T, s *server) {
		t.Parallel()
		theElsewhere(t)
		c := newClient(t, s.daemon("ciba"))
		b := beginBackchannel(t, c, grant.BackchannelRequest{LoginHint: user, BindingMessage: "W4SCT"})
		tokens, err := grant.FinishBackchannel(t.Context(), c, b)
		if err != nil {
			t.Fatal(err)
		}
		checkAbout(t, c, tokens)
		works(t, "alice allows it on her phone")

		b = beginBackchannel(t, c, grant.BackchannelRequest{LoginHint: user, BindingMessage: "deny"})
		_, err = grant.FinishBackchannel(t.Context(), c, b)
		checkToken(t, err, "access_denied")
		_, err = grant.BeginBackchannel(t.Context(), c, grant.BackchannelRequest{LoginHint: "nobody knows him"})
		checkStep(t, err, grant.StepBackchannel, "unknown_user_id", "invalid_request")
	})
}

// TestBackchannelPing: the server tells the client that alice has answered.
func TestBackchannelPing(t *testing.T) {
	backchannelPing.each(t, func(t *testing.T, s *server) {
		t.Parallel()
		e := theElsewhere(t)
		c := newClient(t, s.daemon("ciba-ping"))
		b := beginBackchannel(t, c, grant.BackchannelRequest{LoginHint: user, BindingMessage: "W4SCT", Ping: true})
		select {
		case b = <-e.await(b):
		case <-time.After(2 * time.Minute):
			t.Fatal("there is no ping")
		}
		tokens, err := grant.FinishBackchannel(t.Context(), c, b)
		if err != nil {
			t.Fatal(err)
		}
		checkAbout(t, c, tokens)
		works(t, "the tokens are there after a ping")
	})
}

// TestBackchannelSigned: a request that the client signed is accepted. One that another key signed
// is rejected.
func TestBackchannelSigned(t *testing.T) {
	backchannelSigned.each(t, func(t *testing.T, s *server) {
		t.Parallel()
		theElsewhere(t)
		config := s.daemon("ciba-signed")
		request := grant.BackchannelRequest{LoginHint: user, BindingMessage: "W4SCT"}
		config.RequestObject = &client.RequestObject{Keys: strangeKey(t)}
		_, err := grant.BeginBackchannel(t.Context(), newClient(t, config), request)
		checkStep(t, err, grant.StepBackchannel, "invalid_request", "invalid_request_object", "invalid_client")
		config.RequestObject.Keys = signingKey(t)
		c := newClient(t, config)
		tokens, err := grant.FinishBackchannel(t.Context(), c, beginBackchannel(t, c, request))
		if err != nil {
			t.Fatal(err)
		}
		checkAbout(t, c, tokens)
		works(t, "the signed request is taken")
	})
}

func beginBackchannel(t *testing.T, c *client.Client, request grant.BackchannelRequest) *grant.Backchannel {
	t.Helper()
	b, err := grant.BeginBackchannel(t.Context(), c, request)
	if err != nil {
		t.Fatal(err)
	}
	return b
}
