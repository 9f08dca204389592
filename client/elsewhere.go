package client

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/countersign/countersign/client/auth"
	"github.com/countersign/countersign/discovery"
	"github.com/countersign/countersign/idtoken"
	"github.com/countersign/countersign/internal/endpoint"
	"github.com/countersign/countersign/internal/jose"
)

// What the logins have in common that take place on another device.

// loginForm is the form of such a login, and its scopes.
func (c *Client) loginForm(req TokenRequest) (url.Values, []string, error) {
	if req.Scopes == nil {
		req.Scopes = c.config.Scopes
	}
	form, err := req.form()
	return form, slices.Clone(req.Scopes), err
}

// ask posts a form to an endpoint, and reads the JSON object that answers it.
func (c *Client) ask(ctx context.Context, step Step, at func(*discovery.Metadata) place, form url.Values, answer any) error {
	resp, err := c.postTo(ctx, step, at, form, "application/json")
	if err != nil {
		return err
	}
	if err := readAnswer(resp, answer); err != nil {
		return fail(step, tokenError(err))
	}
	return nil
}

func readAnswer(resp *endpoint.Response, answer any) error {
	if resp.Status != http.StatusOK {
		return resp.Failure("the answer is not an OAuth error")
	}
	if resp.MediaType != "application/json" {
		return resp.Refuse(errNotJSON)
	}
	var failed struct {
		Error *string `json:"error"`
	}
	if err := jose.Decode(resp.Body, &failed, jose.DocumentLimits); err != nil {
		return resp.Refuse(err)
	}
	if failed.Error != nil {
		return resp.Failure(errInBody.Error())
	}
	if err := jose.Decode(resp.Body, answer, jose.DocumentLimits); err != nil {
		return resp.Refuse(err)
	}
	return nil
}

// pollTimes reads expires_in and interval: until when to ask, and how often.
func pollTimes(now time.Time, expiresIn, interval jsontext.Value) (time.Time, time.Duration, error) {
	expires, err := lifetime("expires_in", expiresIn)
	if err != nil {
		return time.Time{}, 0, err
	}
	if expires == nil || *expires == 0 {
		return time.Time{}, 0, errors.New("expires_in is missing or 0")
	}
	every, err := lifetime("interval", interval)
	switch {
	case err != nil:
		return time.Time{}, 0, err
	case every == nil:
		return now.Add(min(*expires, maxPollLifetime)), defaultInterval, nil
	case *every >= *expires:
		return time.Time{}, 0, errors.New("interval is longer than expires_in")
	}
	return now.Add(min(*expires, maxPollLifetime)), max(*every, minInterval), nil
}

// loginTokens makes the tokens of such a login.
func (c *Client) loginTokens(ctx context.Context, t *tokenResponse, scopes []string, key auth.SigningKey, want idtoken.Expected) (*Tokens, error) {
	tokens := t.tokens(scopes, key, c.config.Now())
	if t.IDToken == "" && !slices.Contains(scopes, "openid") {
		return tokens, nil
	}
	return c.addIDToken(ctx, tokens, t.IDToken, want)
}
