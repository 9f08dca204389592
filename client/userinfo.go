package client

import (
	"context"
	"crypto/subtle"
	"errors"
	"net/http"

	"github.com/countersign/countersign/internal/endpoint"
	"github.com/countersign/countersign/internal/jose"
)

// UserInfo is the UserInfo endpoint's answer about the user who signed in.
type UserInfo struct {
	Subject string // sub, the same as the ID token's

	payload []byte
}

// Claims decodes the answer into v by exact names.
func (u *UserInfo) Claims(v any) error { return jose.Decode(u.payload, v, jose.DocumentLimits) }

// UserInfo asks the UserInfo endpoint about the user of tokens, OpenID Connect Core
// §5.3. The answer is given only if its sub is the ID token's (§5.3.2, §16.11).
// Every error is an [*Error].
func (c *Client) UserInfo(ctx context.Context, tokens *Tokens) (*UserInfo, error) {
	if tokens == nil || tokens.Token == nil || tokens.IDToken == nil {
		return nil, fail(StepUserInfo, errors.New("there is no ID token to hold the answer against"))
	}
	m, err := c.metadata(ctx)
	if err != nil {
		return nil, err
	}
	if m.UserInfoEndpoint == "" {
		return nil, fail(StepUserInfo, errors.New("the server has no UserInfo endpoint"))
	}
	resp, err := c.http.Get(ctx, m.UserInfoEndpoint, http.Header{
		"Accept":        {"application/json"},
		"Authorization": {"Bearer " + tokens.AccessToken},
	}, endpoint.MaxDocument)
	if err != nil {
		return nil, fail(StepUserInfo, err)
	}
	info, err := parseUserInfo(resp, m.UserInfoEndpoint, tokens.IDToken.Subject)
	if err != nil {
		return nil, fail(StepUserInfo, err)
	}
	return info, nil
}

func parseUserInfo(resp *endpoint.Response, u, subject string) (*UserInfo, error) {
	if resp.Status != http.StatusOK {
		return nil, resp.Failure(u, "the server does not answer about the user")
	}
	if resp.MediaType != "application/json" {
		return nil, &endpoint.Error{URL: u, Status: resp.Status, Err: errors.New("the answer is not application/json by its Content-Type")}
	}
	var claims struct {
		Subject string `json:"sub"`
	}
	if err := jose.Decode(resp.Body, &claims, jose.DocumentLimits); err != nil {
		return nil, &endpoint.Error{URL: u, Status: resp.Status, Err: err}
	}
	if claims.Subject == "" || subtle.ConstantTimeCompare([]byte(claims.Subject), []byte(subject)) != 1 {
		return nil, errors.New("sub is not the ID token's; the answer is about somebody else")
	}
	return &UserInfo{Subject: claims.Subject, payload: resp.Body}, nil
}
