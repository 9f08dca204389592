package client

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"

	"github.com/countersign/countersign/discovery"
	"github.com/countersign/countersign/internal/dpop"
	"github.com/countersign/countersign/par"
)

// pushes decides whether the request is pushed. A push that the server requires cannot be
// switched off (RFC 9126 §5).
func (c *Client) pushes(m *discovery.Metadata) (bool, error) {
	has := m.PushedAuthorizationRequestEndpoint != ""
	required := c.config.PAR == PARRequired || c.config.Profile.requiresPAR() || m.RequirePushedAuthorizationRequests
	switch {
	case c.config.PAR == PAROff && m.RequirePushedAuthorizationRequests:
		return false, errors.New("the server requires pushed authorization requests, and Config.PAR is PAROff")
	case required && !has:
		return false, errors.New("pushed authorization requests are required, and the server has no endpoint for them")
	}
	return has && c.config.PAR != PAROff, nil
}

// push sends the parameters to the server. It returns those that remain for the browser:
// client_id and request_uri (RFC 9126 §4).
func (c *Client) push(ctx context.Context, m *discovery.Metadata, params url.Values) (url.Values, error) {
	pushed, err := par.Push(ctx, c.config.HTTP, m.PushedAuthorizationRequestEndpoint, c.auth(m), params)
	if err != nil {
		return nil, c.pushSent(m, params, c.explain(err))
	}
	if pushed.DPoPNonce != "" {
		c.learn(dpop.Authorization, m.PushedAuthorizationRequestEndpoint, http.Header{"Dpop-Nonce": {pushed.DPoPNonce}})
	}
	return url.Values{"client_id": params["client_id"], "request_uri": {pushed.RequestURI}}, nil
}

// explain adds a remedy for servers that do not let public clients push. The rules should be
// those of the token endpoint (RFC 9126 §2).
func (c *Client) explain(err error) error {
	var e *par.Error
	if c.config.Auth.Name() != "none" || !errors.As(err, &e) || e.Status != http.StatusUnauthorized {
		return err
	}
	return fmt.Errorf("%w (if the server lets no public client push, set Config.PAR to PAROff)", err)
}

// withSent adds the sent parameters to a server's rejection, so that the operator can compare
// them with the registration. It adds no secret, code or token.
func (c *Client) withSent(m *discovery.Metadata, form url.Values, err error) error {
	sent := fmt.Sprintf("sent client_id %q, authentication %s", c.config.ClientID, c.method(m).Name())
	if uri := form.Get("redirect_uri"); uri != "" {
		sent += fmt.Sprintf(", redirect_uri %q", uri)
	}
	return fmt.Errorf("%w; %s", err, sent)
}

// pushSent is withSent for a pushed request that the server rejected.
func (c *Client) pushSent(m *discovery.Metadata, params url.Values, err error) error {
	var e *par.Error
	if !errors.As(err, &e) || e.Code == "" {
		return err
	}
	return c.withSent(m, params, err)
}
