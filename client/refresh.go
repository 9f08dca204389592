package client

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"strings"

	"github.com/countersign/countersign/idtoken"
)

// Refresh gets new tokens with the refresh token of old, RFC 6749 §6. The old refresh token stays
// if the server returns no new one. A new ID token must be of the same user and login as old.Login
// (OpenID Connect Core §12.2). It is rejected if old.Login is nil. Without a new ID token the old
// one stays.
//
// Of stored tokens it needs Token, Login, Scopes and, if they are bound, DPoPKey: tokens.Stored has
// them. scopes, if any, limit the new access token. They must have been granted. The next refresh
// may request all granted scopes again.
//
// The request is sent once, and again only if the server requires a DPoP nonce. A server that
// rotates refresh tokens may treat a second request as a theft. tokens.Refresher refreshes once for
// many callers and processes.
//
// Every error is an [*Error]. For an error of the server errors.As finds a [*TokenError]. Codes of
// the token endpoint (RFC 6749 §5.2): "invalid_grant" if the
// refresh token has ended (see [Error.EndsLogin]), "invalid_client", "unauthorized_client",
// "unsupported_grant_type", "invalid_scope", "invalid_request". Other codes of the server are
// returned unchanged. The code is "temporarily_unavailable" if the server did not answer, and
// "login_failed" if old or the response is wrong.
func (c *Client) Refresh(ctx context.Context, old *Tokens, scopes ...string) (*Tokens, error) {
	if old == nil || old.Token == nil || old.RefreshToken == "" {
		return nil, fail(StepToken, errors.New("the Tokens have no refresh token: request one with a scope such as offline_access"))
	}
	form := url.Values{"grant_type": {"refresh_token"}, "refresh_token": {old.RefreshToken}}
	c.repeatResource(form, old.Resources)
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
	tokens.Login, tokens.IDTokenHint, tokens.Refreshed, tokens.Resources = old.Login, old.IDTokenHint, true, old.Resources
	if response.IDToken == "" {
		tokens.IDToken, tokens.Report = old.IDToken, old.Report
		return tokens, nil
	}
	if old.Login == nil {
		return nil, rotated(tokens, errors.New("the response has an ID token, but Tokens.Login is nil: keep the Tokens with tokens.ToStore"))
	}
	if _, err := c.addIDToken(ctx, tokens, response.IDToken, idtoken.Expected{
		AccessToken: response.AccessToken, FromTokenEndpoint: true, Original: old.Login, Date: response.date,
	}); err != nil {
		var step *Error
		errors.As(err, &step)
		return nil, rotated(tokens, step.Err)
	}
	return tokens, nil
}

// rotated is the error of a refresh whose new tokens must not be used.
func rotated(t *Tokens, err error) *Error {
	e, token := fail(StepIDToken, err), t.RefreshToken
	e.refreshToken = func() string { return token }
	return e
}

// RefreshToken returns the refresh token to keep if Refresh failed because of the new ID token.
// The server may have invalidated the old refresh token. It returns "" if the server sent no
// tokens. The value is a secret. It is useful if the error is Temporary.
func (e *Error) RefreshToken() string {
	if e.refreshToken == nil {
		return ""
	}
	return e.refreshToken()
}

// EndsLogin reports, for an error of Refresh, whether the refresh token is no longer usable. It
// returns true if the server says so, or if the server's response must not be used. A response that
// is not JSON does not end a login, because a proxy may have sent it.
func (e *Error) EndsLogin() bool {
	if e.Temporary() || errors.Is(e, errNotJSON) {
		return false
	}
	var answer *TokenError
	return e.Step == StepIDToken || errors.As(e, &answer) && (answer.Code == "invalid_grant" || answer.Status == http.StatusOK)
}
