package client

import (
	"context"
	"errors"
	"net/url"

	"github.com/countersign/countersign/idtoken"
)

// Refresh gets new tokens for old ones, RFC 6749 §6. The old refresh token is kept
// if the server returns no new one. An ID token in the answer must be of the same
// user and login as old.Login says (OpenID Connect Core §12.2), and is refused if that is
// nil; without one, the old one stays. Every error is an [*Error].
//
// Of tokens that were stored, Token, Login, Scopes and, if they are bound, DPoPKey are needed.
//
// The request is sent once: a server that rotates refresh tokens may take a second
// one for a theft.
func (c *Client) Refresh(ctx context.Context, old *Tokens) (*Tokens, error) {
	if old == nil || old.Token == nil || old.RefreshToken == "" {
		return nil, fail(StepToken, errors.New("there is no refresh token"))
	}
	response, err := c.requestToken(ctx, url.Values{
		"grant_type":    {"refresh_token"},
		"refresh_token": {old.RefreshToken},
	}, old.DPoPKey)
	if err != nil {
		return nil, err
	}
	tokens := response.tokens(old.Scopes, old.DPoPKey, c.config.Now())
	if tokens.RefreshToken == "" {
		tokens.RefreshToken = old.RefreshToken
	}
	tokens.Login = old.Login
	if response.IDToken == "" {
		tokens.IDToken, tokens.Report = old.IDToken, old.Report
		return tokens, nil
	}
	if old.Login == nil {
		return nil, fail(StepIDToken, errors.New("the answer has an ID token, and there is none of the login to hold it against"))
	}
	return c.addIDToken(ctx, tokens, response.IDToken, idtoken.Expected{
		AccessToken: response.AccessToken, FromTokenEndpoint: true, Original: old.Login,
	})
}
