package client

import (
	"context"
	"crypto/subtle"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/countersign/countersign/internal/dpop"
	"github.com/countersign/countersign/internal/endpoint"
	"github.com/countersign/countersign/internal/jose"
)

// UserInfo is the response of the UserInfo endpoint about the user who signed in.
type UserInfo struct {
	Subject string // sub, the same as in the ID token

	payload []byte
}

// Claims decodes the response into v by exact names. It returns an error if v cannot hold the
// response.
func (u *UserInfo) Claims(v any) error { return jose.Decode(u.payload, v, jose.DocumentLimits) }

// UserInfo requests the claims of the user from the UserInfo endpoint, OpenID Connect Core
// §5.3. A response whose sub is not that of the ID token is rejected (§5.3.2, §16.11).
//
// Every error is an [*Error]. Codes of the server (RFC 6750 §3.1): "invalid_token" (refresh the
// tokens), "insufficient_scope" (add openid to Config.Scopes), "invalid_request". Other codes of
// the server are returned unchanged. The code is "temporarily_unavailable" if the server did not
// answer, and "login_failed" for everything else. errors.Is finds [ErrNoEndpoint] if the server has
// no UserInfo endpoint.
func (c *Client) UserInfo(ctx context.Context, tokens *Tokens) (*UserInfo, error) {
	if tokens == nil || tokens.Token == nil || tokens.subject() == "" {
		return nil, fail(StepUserInfo, errNoUser)
	}
	ctx = c.provider.Context(ctx)
	m, err := c.metadata(ctx)
	if err != nil {
		return nil, err
	}
	if m.UserInfoEndpoint == "" {
		return nil, fail(StepUserInfo, fmt.Errorf("%w (userinfo_endpoint)", ErrNoEndpoint))
	}
	resp, err := c.askUserInfo(ctx, m.UserInfoEndpoint, tokens)
	if err != nil {
		return nil, fail(StepUserInfo, err)
	}
	info, err := c.parseUserInfo(ctx, resp, tokens.subject())
	if err != nil {
		return nil, fail(StepUserInfo, err)
	}
	return info, nil
}

var errNoUser = errors.New("the Tokens have no ID token, which must name the user: add openid to Config.Scopes of the login. Tokens without a user, such as those of grant.ClientCredentials, have no UserInfo")

// subject returns the user of the login. For stored tokens, Login has it.
func (t *Tokens) subject() string {
	switch {
	case t.IDToken != nil:
		return t.IDToken.Subject
	case t.Login != nil:
		return t.Login.Subject
	}
	return ""
}

// askUserInfo repeats the request once if the response has a nonce for the DPoP proof.
func (c *Client) askUserInfo(ctx context.Context, u string, tokens *Tokens) (*endpoint.Response, error) {
	resp, learned, err := c.getUserInfo(ctx, u, tokens)
	if err == nil && learned && resp.Status == http.StatusUnauthorized && strings.EqualFold(tokens.TokenType, "DPoP") {
		resp, _, err = c.getUserInfo(ctx, u, tokens)
	}
	return resp, err
}

func (c *Client) getUserInfo(ctx context.Context, u string, tokens *Tokens) (resp *endpoint.Response, learned bool, err error) {
	authorize := func(r *http.Request) error { return c.Authorize(r, tokens) }
	if resp, err = c.http.Get(ctx, u, c.userInfoJWT().accept(), authorize, endpoint.MaxDocument); err != nil {
		return nil, false, err
	}
	return resp, c.learn(dpop.Resource, u, resp.Header), nil
}

func (c *Client) parseUserInfo(ctx context.Context, resp *endpoint.Response, subject string) (*UserInfo, error) {
	if resp.Status != http.StatusOK {
		return nil, rejectedUserInfo(resp)
	}
	body, _, err := c.openBody(ctx, resp, c.userInfoJWT())
	if err != nil {
		return nil, resp.Refuse(err)
	}
	var claims struct {
		Subject string `json:"sub"`
	}
	if err := jose.Decode(body, &claims, jose.DocumentLimits); err != nil {
		return nil, resp.Refuse(err)
	}
	if claims.Subject == "" {
		return nil, errors.New("sub is missing in the UserInfo response")
	}
	if subtle.ConstantTimeCompare([]byte(claims.Subject), []byte(subject)) != 1 {
		return nil, errors.New("sub of the UserInfo response does not match sub of the ID token: it is about another user")
	}
	return &UserInfo{Subject: claims.Subject, payload: body}, nil
}

// rejectedUserInfo says what to do if the server rejects an access token that it has issued.
func rejectedUserInfo(resp *endpoint.Response) error {
	e := resp.Failure("the server rejected the UserInfo request")
	if e.Code == "" {
		e.Code = resp.Redact(endpoint.ChallengeCode(resp.Header.Values("WWW-Authenticate")))
	}
	advice := ""
	switch {
	case e.Code == "insufficient_scope" || e.Status == http.StatusForbidden:
		advice = "add openid to Config.Scopes, and allow it for the client at the server"
	case e.Status == http.StatusUnauthorized || e.Status == http.StatusBadRequest:
		advice = "if the access token is old, refresh it. The token may also be for one API only: check Request.Resources and Config.Scopes"
	case e.Status == http.StatusNotFound || e.Status == http.StatusMethodNotAllowed:
		advice = "correct UserInfoEndpoint in Config.Metadata, or do not request UserInfo"
	}
	if advice == "" {
		return e
	}
	return fmt.Errorf("%w: %s", e, advice)
}

// userInfoJWT applies OpenID Connect Core §5.3.2.
func (c *Client) userInfoJWT() agreedJWT {
	return agreedJWT{"UserInfoAlgs", c.config.UserInfoAlgs, c.config.UserInfoDecryptionKeys, "application/jwt", userInfoJWT, c.config.InsecureUnnamedUserInfo}
}
