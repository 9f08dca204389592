package grant_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/countersign/countersign/client"
	"github.com/countersign/countersign/client/grant"
	"github.com/countersign/countersign/internal/optest"
)

// TestPollingCodes: these codes of RFC 8628 §3.5, CIBA Core §11 and RFC 6749 §5.2 end the polling. Each
// is the code of the error, for both kinds of logins on another device.
func TestPollingCodes(t *testing.T) {
	for _, code := range []string{
		"access_denied", "expired_token", "invalid_grant", "invalid_client", "unauthorized_client",
		"unsupported_grant_type", "invalid_scope", "invalid_request",
	} {
		s := optest.New(t)
		c, _ := polling(t, s, daemon(s))
		for name, finish := range finishing(t, c) {
			s.Waits = []string{"authorization_pending", code}
			before := s.Hits("/token")
			var e *client.Error
			if err := finish(t.Context()); !errors.As(err, &e) || e.Code != code || s.Hits("/token") != before+2 {
				t.Errorf("%s, %s: %v after %d requests", name, code, err, s.Hits("/token")-before)
			}
		}
	}
}

// TestPollingOwnCodes: the codes that no server sends: "temporarily_unavailable" when a deadline ends
// the polling, and "login_failed" for a login of another client.
func TestPollingOwnCodes(t *testing.T) {
	s := optest.New(t)
	c, _ := polling(t, s, daemon(s))
	ended, cancel := context.WithDeadline(t.Context(), time.Now().Add(-time.Second))
	defer cancel()
	other := daemon(s)
	other.ClientID = "other"
	for code, test := range map[string]struct {
		ctx context.Context
		c   *client.Client
	}{"temporarily_unavailable": {ended, c}, "login_failed": {t.Context(), newClient(t, other)}} {
		d := &grant.Device{Issuer: s.URL, ClientID: optest.ClientID, DeviceCode: optest.DeviceCode, Expiry: time.Now().Add(time.Hour)}
		b := &grant.Backchannel{Issuer: s.URL, ClientID: optest.ClientID, AuthReqID: "1c266114", Scopes: []string{"openid"}, Expiry: time.Now().Add(time.Hour)}
		_, ofDevice := grant.FinishDevice(test.ctx, test.c, d)
		_, ofBackchannel := grant.FinishBackchannel(test.ctx, test.c, b)
		for _, err := range []error{ofDevice, ofBackchannel} {
			var e *client.Error
			if !errors.As(err, &e) || e.Code != code {
				t.Errorf("%v, expected %s", err, code)
			}
		}
	}
}

// finishing are the calls that wait for the user, each after its begin.
func finishing(t *testing.T, c *client.Client) map[string]func(context.Context) error {
	return map[string]func(context.Context) error{
		"FinishDevice": func(ctx context.Context) error {
			d, err := grant.BeginDevice(ctx, c, client.TokenRequest{})
			if err != nil {
				t.Fatal(err)
			}
			_, err = grant.FinishDevice(ctx, c, d)
			return err
		},
		"FinishBackchannel": func(ctx context.Context) error {
			b, err := grant.BeginBackchannel(ctx, c, grant.BackchannelRequest{LoginHint: "alice"})
			if err != nil {
				t.Fatal(err)
			}
			_, err = grant.FinishBackchannel(ctx, c, b)
			return err
		},
	}
}
