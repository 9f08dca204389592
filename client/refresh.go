package client

import (
	"context"
	"errors"
	"net/url"
	"strings"

	"github.com/countersign/countersign/idtoken"
)

// Refresh gets new tokens for old ones, RFC 6749 §6. The old refresh token is kept
// if the server returns no new one. An ID token in the answer must be of the same
// user and login as old.Login says (OpenID Connect Core §12.2), and is refused if that is
// nil; without one, the old one stays. Every error is an [*Error].
//
// Of tokens that were stored, Token, Login, Scopes and, if they are bound, DPoPKey are needed:
// what [Tokens.Keep] keeps.
//
// scopes, if there are any, narrow the new access token down; they cannot be more than was
// granted, and the next refresh may ask for all of that again.
//
// The request is sent once: a server that rotates refresh tokens may take a second
// one for a theft. [Refresher] does it once for many callers and processes.
func (c *Client) Refresh(ctx context.Context, old *Tokens, scopes ...string) (*Tokens, error) {
	t, err := c.refresh(ctx, old, scopes...)
	if err != nil {
		return nil, err
	}
	return t, nil
}

// refresh is Refresh, and gives the new tokens too beside an error of their ID token. They
// must not be used then; but the old refresh token may be spent.
func (c *Client) refresh(ctx context.Context, old *Tokens, scopes ...string) (*Tokens, error) {
	if old == nil || old.Token == nil || old.RefreshToken == "" {
		return nil, fail(StepToken, errors.New("there is no refresh token"))
	}
	form := url.Values{"grant_type": {"refresh_token"}, "refresh_token": {old.RefreshToken}}
	asked := old.Scopes
	if len(scopes) > 0 {
		if err := checkScopes(scopes); err != nil {
			return nil, fail(StepToken, err)
		}
		form.Set("scope", strings.Join(scopes, " "))
		asked = scopes
	}
	response, err := c.requestToken(ctx, form, old.DPoPKey)
	if err != nil {
		return nil, err
	}
	tokens := response.tokens(asked, old.DPoPKey, c.config.Now())
	if tokens.RefreshToken == "" {
		tokens.RefreshToken = old.RefreshToken
	}
	tokens.Login, tokens.idToken, tokens.refreshed = old.Login, old.idToken, true
	if response.IDToken == "" {
		tokens.IDToken, tokens.Report = old.IDToken, old.Report
		return tokens, nil
	}
	if old.Login == nil {
		return tokens, fail(StepIDToken, errors.New("the answer has an ID token, and there is none of the login to hold it against"))
	}
	_, err = c.addIDToken(ctx, tokens, response.IDToken, idtoken.Expected{
		AccessToken: response.AccessToken, FromTokenEndpoint: true, Original: old.Login,
	})
	return tokens, err
}
