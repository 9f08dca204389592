package client

import (
	"context"
	"errors"
	"net/http"
	"net/url"

	"github.com/countersign/countersign/discovery"
)

const hintAccessToken, hintRefreshToken = "access_token", "refresh_token" // RFC 7009 §2.1

// unsupportedType is the code of a server that does not revoke this kind of token.
const unsupportedType = "unsupported_token_type"

// Revoke has the server end a token, and with it what the server ends besides, RFC 7009.
// hint says which kind it is, "access_token" or "refresh_token"; "" leaves that to the server. A token that the server does
// not know counts as revoked (§2.2).
//
// Every error is an [*Error], and means that the token must be taken for alive (§2.2.1).
// errors.Is finds [ErrNoEndpoint] where the server revokes nothing; errors.As finds the
// [*TokenError], whose Code is "unsupported_token_type" where it does not revoke this kind.
// The request is sent once; sending it again does no harm, after TokenError.RetryAfter
// where there is one.
func (c *Client) Revoke(ctx context.Context, token, hint string) error {
	form, err := aboutToken(token, hint)
	if err != nil {
		return fail(StepRevoke, err)
	}
	resp, err := c.postTo(ctx, StepRevoke, revocation, form, "application/json")
	if err != nil {
		return err
	}
	if resp.Status != http.StatusOK {
		return fail(StepRevoke, tokenError(resp.Failure("the token was not revoked")))
	}
	return nil // what else is in the answer means nothing (§2.2): Keycloak writes invalid_token there
}

// RevokeTokens revokes the refresh token, then the access token: with the first one the
// server may have ended the second too, and not the other way round. Both are tried. An
// access token of a server that revokes none is left to expire, unless it was alone.
// Every error is an [*Error], or several joined.
func (c *Client) RevokeTokens(ctx context.Context, t *Tokens) error {
	if t == nil || t.Token == nil {
		return fail(StepRevoke, errors.New("there are no tokens"))
	}
	if t.RefreshToken == "" {
		return c.Revoke(ctx, t.AccessToken, hintAccessToken)
	}
	first := c.Revoke(ctx, t.RefreshToken, hintRefreshToken)
	if t.AccessToken == "" || errors.Is(first, ErrNoEndpoint) {
		return first
	}
	second := c.Revoke(ctx, t.AccessToken, hintAccessToken)
	var refused *TokenError
	if errors.As(second, &refused) && refused.Code == unsupportedType {
		second = nil
	}
	return errors.Join(first, second)
}

func revocation(m *discovery.Metadata) place {
	return place{m.RevocationEndpoint, m.RevocationEndpointAuthMethodsSupported}
}

// aboutToken is a form about one token.
func aboutToken(token, hint string) (url.Values, error) {
	switch {
	case token == "":
		return nil, errors.New("there is no token")
	case !printable(token): // a refresh token may contain spaces
		return nil, errors.New("the token contains a character that RFC 6749 does not allow in tokens")
	}
	form := url.Values{"token": {token}}
	if hint != "" {
		form.Set("token_type_hint", hint)
	}
	return form, nil
}
