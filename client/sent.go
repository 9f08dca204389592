package client

import (
	"errors"
	"fmt"
	"net/url"

	"github.com/countersign/countersign/discovery"
	"github.com/countersign/countersign/par"
)

// withSent adds to a server's rejection what was sent, so that it can be compared with the
// registration. No secret, code or token is among that.
func (c *Client) withSent(m *discovery.Metadata, form url.Values, err error) error {
	sent := fmt.Sprintf("sent client_id %q, authentication %s", c.config.ClientID, c.method(m).Name())
	if uri := form.Get("redirect_uri"); uri != "" {
		sent += fmt.Sprintf(", redirect_uri %q", uri)
	}
	return fmt.Errorf("%w; %s", err, sent)
}

// pushSent is withSent for a pushed request that the server has rejected.
func (c *Client) pushSent(m *discovery.Metadata, params url.Values, err error) error {
	var e *par.Error
	if !errors.As(err, &e) || e.Code == "" {
		return err
	}
	return c.withSent(m, params, err)
}
