package internal_test

import (
	"context"
	"crypto"
	"errors"
	"net/http"
	"time"

	"github.com/countersign/countersign/client"
	"github.com/countersign/countersign/client/auth"
	"github.com/countersign/countersign/client/registration"
	"github.com/countersign/countersign/discovery"
)

// The code of docs/end-a-session.md and docs/register-a-client.md, compiled. Other tests check what
// it does.
var _ = []any{signOut, signedOut, endGrant, askAbout, ownKeys, registerClient, renameClient, byDocument}

func signOut(ctx context.Context, c *client.Client, issued *client.Tokens) (redirect, state string, err error) {
	redirect, state, err = c.LogoutURL(ctx, client.Logout{IDTokenHint: issued.IDTokenHint})
	if errors.Is(err, client.ErrNoEndpoint) {
		return "/bye", "", nil // the server has no session to end by a redirect
	}
	return redirect, state, err
}

func signedOut(r *http.Request, state string) error {
	return client.CheckLogout(state, r.URL.Query())
}

func endGrant(ctx context.Context, c *client.Client, tokens *client.Tokens) (again time.Duration, err error) {
	err = c.RevokeTokens(ctx, tokens)
	var refused *client.TokenError
	switch {
	case errors.Is(err, client.ErrNoEndpoint):
		return 0, nil // this server lets tokens expire
	case errors.As(err, &refused):
		return refused.RetryAfter, err // the tokens may still be valid
	}
	return 0, err
}

func askAbout(ctx context.Context, c *client.Client, token string) (user string, err error) {
	about, err := c.Introspect(ctx, token, "access_token")
	if err != nil {
		return "", err // nothing is known about the token
	}
	if !about.Active {
		return "", errors.New("the token has ended")
	}
	return about.Subject, nil
}

func ownKeys(mux *http.ServeMux, january, july crypto.Signer) (auth.Method, error) {
	ring := &auth.KeyRing{}
	mux.Handle("GET /jwks", ring)
	err := errors.Join(
		ring.Rotate(auth.SigningKey{KeyID: "2026-01", Alg: "PS256", Key: january}, time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)),
		ring.Rotate(auth.SigningKey{KeyID: "2026-07", Alg: "PS256", Key: july}, time.Date(2026, 7, 1, 0, 0, 0, 0, time.UTC)),
	)
	return auth.PrivateKeyJWT(ring, auth.Assertion{}), err
}

func registerClient(ctx context.Context, initialAccessToken string, keys auth.KeySource) (*client.Client, *registration.Registered, error) {
	server := &discovery.Provider{Issuer: "https://as.example"}
	registrar := &registration.Registrar{Server: server, InitialAccessToken: initialAccessToken}
	registered, err := registrar.Register(ctx, registration.Metadata{
		ClientName:              "An app",
		RedirectURIs:            []string{"https://app.example/callback"},
		TokenEndpointAuthMethod: "private_key_jwt",
		JWKSURI:                 "https://app.example/jwks",
	})
	if err != nil {
		return nil, nil, err
	}
	if len(registered.Changed) > 0 {
		return nil, registered, errors.New("the server has registered another client than was asked for")
	}
	c, err := client.New(registered.Config(server, keys))
	return c, registered, err
}

func renameClient(ctx context.Context, registrar *registration.Registrar, registered *registration.Registered) (*registration.Registered, error) {
	registered.Metadata.ClientName = "Another name"
	registered, err := registrar.Update(ctx, registered)
	return registered, err
}

func byDocument(mux *http.ServeMux, server *discovery.Provider, keys auth.KeySource) (*client.Client, error) {
	document := &registration.Document{
		ClientID: "https://app.example/oauth-client",
		Metadata: registration.Metadata{
			ClientName:              "An app",
			RedirectURIs:            []string{"https://app.example/callback"},
			TokenEndpointAuthMethod: "private_key_jwt",
			JWKSURI:                 "https://app.example/jwks",
		},
	}
	mux.Handle("GET /oauth-client", document)
	return client.New(document.Config(server, keys))
}
