package client_test

import (
	"context"
	"testing"

	"golang.org/x/oauth2"

	"github.com/countersign/countersign/client"
	"github.com/countersign/countersign/client/grant"
	"github.com/countersign/countersign/client/tokens"
)

// TestUnmade: a Client that New did not make returns errors, and does not panic.
func TestUnmade(t *testing.T) {
	issued := &client.Tokens{Token: &oauth2.Token{AccessToken: "canary-at", RefreshToken: "canary-rt", TokenType: "Bearer"}}
	for name, call := range map[string]func(context.Context, *client.Client) error{
		"Begin": func(ctx context.Context, c *client.Client) error {
			_, _, err := c.Begin(ctx, client.Request{})
			return err
		},
		"ClientCredentials": func(ctx context.Context, c *client.Client) error {
			_, err := grant.ClientCredentials(ctx, c, client.TokenRequest{})
			return err
		},
		"Refresh":     func(ctx context.Context, c *client.Client) error { _, err := c.Refresh(ctx, issued); return err },
		"TokenSource": func(_ context.Context, c *client.Client) error { _, err := tokens.NewSource(c, issued); return err },
		"BeginDevice": func(ctx context.Context, c *client.Client) error {
			_, err := grant.BeginDevice(ctx, c, client.TokenRequest{})
			return err
		},
		"FinishDevice": func(ctx context.Context, c *client.Client) error {
			_, err := grant.FinishDevice(ctx, c, &grant.Device{DeviceCode: "canary-code"})
			return err
		},
		"Introspect": func(ctx context.Context, c *client.Client) error {
			_, err := c.Introspect(ctx, "canary-at", "")
			return err
		},
		"Revoke": func(ctx context.Context, c *client.Client) error { return c.Revoke(ctx, "canary-at", "") },
		"LogoutURL": func(ctx context.Context, c *client.Client) error {
			_, _, err := c.LogoutURL(ctx, client.Logout{})
			return err
		},
		"VerifyLogout": func(ctx context.Context, c *client.Client) error { _, err := c.VerifyLogout(ctx, "x", nil); return err },
	} {
		t.Run(name, func(t *testing.T) {
			if call(t.Context(), &client.Client{}) == nil {
				t.Error("no error")
			}
		})
	}
}
