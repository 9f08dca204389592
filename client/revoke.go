package client

import (
	"context"
	"errors"
	"net/url"

	"github.com/countersign/countersign/discovery"
)

const hintAccessToken, hintRefreshToken = "access_token", "refresh_token" // RFC 7009 §2.1

// unsupportedType is the code of a server that does not revoke this kind of token.
const unsupportedType = "unsupported_token_type"

// Revoke ends a token at the server, RFC 7009. hint is the kind of the token, "access_token" or
// "refresh_token"; "" means that the server finds out. A token that the server does not know
// counts as revoked (§2.2).
//
// Every error is an [*Error], and means that the token may still be active (§2.2.1). errors.Is
// finds [ErrNoEndpoint] if the server has no revocation endpoint. errors.As finds the
// [*TokenError]. Codes of the server (RFC 7009 §2.2.1): "unsupported_token_type" if the server
// does not revoke this kind, "invalid_client", "unauthorized_client", "invalid_request". Other
// codes of the server are returned unchanged. The code is "temporarily_unavailable" if the server
// did not answer, and "login_failed" for everything else. The request is sent once. It may be
// repeated, after TokenError.RetryAfter if that is set.
func (c *Client) Revoke(ctx context.Context, token, hint string) error {
	form, err := aboutToken(token, hint)
	if err != nil {
		return fail(StepRevoke, err)
	}
	_, err = c.postTo(ctx, StepRevoke, revocation, form, "application/json")
	return err // a response with status 200 may contain anything (RFC 7009 §2.2): Keycloak writes invalid_token there
}

// RevokeTokens revokes the refresh token, then the access token: a server may end the access token
// with the refresh token. The second request is sent even if the first one failed. If the server
// does not revoke access tokens, that is an error only for an access token without a refresh
// token. Every error is an [*Error], or several joined, with the codes of [Client.Revoke]. As
// there, errors.Is finds [ErrNoEndpoint] and errors.As the [*TokenError].
func (c *Client) RevokeTokens(ctx context.Context, t *Tokens) error {
	if t == nil || t.Token == nil {
		return fail(StepRevoke, errors.New("the Tokens are nil"))
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
	return place{m.RevocationEndpoint, m.RevocationEndpointAuthMethodsSupported, "the token was not revoked"}
}

// aboutToken returns the form for one token.
func aboutToken(token, hint string) (url.Values, error) {
	switch {
	case token == "":
		return nil, errors.New("the token is empty")
	case !printable(token): // a refresh token may contain spaces
		return nil, errors.New("the token contains a character that is not allowed in tokens (RFC 6749 appendix A)")
	}
	form := url.Values{"token": {token}}
	if hint != "" {
		form.Set("token_type_hint", hint)
	}
	return form, nil
}
