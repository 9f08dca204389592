package client

import (
	"context"
	"errors"
	"net/http"
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
// what tokens.Stored holds.
//
// scopes, if there are any, narrow the new access token down; they cannot be more than was
// granted, and the next refresh may ask for all of that again.
//
// The request is sent once: a server that rotates refresh tokens may take a second
// one for a theft. tokens.Refresher does it once for many callers and processes.
func (c *Client) Refresh(ctx context.Context, old *Tokens, scopes ...string) (*Tokens, error) {
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
	tokens.Login, tokens.IDTokenHint, tokens.Refreshed = old.Login, old.IDTokenHint, true
	if response.IDToken == "" {
		tokens.IDToken, tokens.Report = old.IDToken, old.Report
		return tokens, nil
	}
	if old.Login == nil {
		return nil, rotated(tokens, errors.New("the answer has an ID token, and there is none of the login to hold it against"))
	}
	if _, err := c.addIDToken(ctx, tokens, response.IDToken, idtoken.Expected{
		AccessToken: response.AccessToken, FromTokenEndpoint: true, Original: old.Login,
	}); err != nil {
		var step *Error
		errors.As(err, &step)
		return nil, rotated(tokens, step.Err)
	}
	return tokens, nil
}

// RotatedError is the cause of an [*Error] of Refresh where new tokens came and their ID token
// was rejected. The new access token must not be used. The old refresh token may be spent:
// keep RefreshToken in its place, to try again where the error is Temporary.
type RotatedError struct {
	Err error // why; for the log

	refreshToken func() string // a func: nothing in it can be printed
}

func rotated(t *Tokens, err error) *Error {
	token := t.RefreshToken
	return fail(StepIDToken, &RotatedError{err, func() string { return token }})
}

func (e *RotatedError) Error() string { return e.Err.Error() }

// Unwrap gives the cause.
func (e *RotatedError) Unwrap() error { return e.Err }

// RefreshToken gives the refresh token to keep. It is a secret.
func (e *RotatedError) RefreshToken() string { return e.refreshToken() }

// EndsLogin tells of an error of Refresh whether a refresh token is of no use any more: the server says so, or
// has given an answer for it that must not be taken. What is not JSON is nobody's answer: a
// proxy has pages with status 200 too.
func (e *Error) EndsLogin() bool {
	if e.Temporary() || errors.Is(e, errNotJSON) {
		return false
	}
	var answer *TokenError
	return e.Step == StepIDToken || errors.As(e, &answer) && (answer.Code == "invalid_grant" || answer.Status == http.StatusOK)
}
