package client

import (
	"context"
	"errors"
)

// ClientCredentials gets an access token for the client itself, RFC 6749 §4.4: no user is
// in it. Of the answer nothing else is taken: a refresh token is not needed (§4.4.3), and
// an ID token would be of nobody who signed in, so neither is given to the caller. A
// client that is Public is refused. Every error is an [*Error].
func (c *Client) ClientCredentials(ctx context.Context, req TokenRequest) (*Tokens, error) {
	if c.config.Auth.Name() == "none" {
		return nil, fail(StepToken, errors.New("a public client has no credentials to get a token with"))
	}
	form, err := req.form()
	if err != nil {
		return nil, fail(StepToken, err)
	}
	return c.obtain(ctx, grantClientCredentials, form, (*tokenResponse).keepAccessToken)
}

// keepAccessToken drops the other tokens of an answer.
func (t *tokenResponse) keepAccessToken() error {
	t.RefreshToken, t.IDToken = "", ""
	delete(t.extra, "refresh_token")
	delete(t.extra, "id_token")
	return nil
}
