package flow

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/countersign/countersign/client"
	"github.com/countersign/countersign/client/grant"
	"github.com/countersign/countersign/client/loopback"
	"github.com/countersign/countersign/cmd/countersign/internal/wire"
)

func login(ctx context.Context, s *session) (*Outcome, error) {
	t, err := loopback.Login(ctx, loopback.Config{Client: s.client.Config(), Request: s.request(), Open: s.show})
	var failed *client.Error
	if err != nil && !errors.As(err, &failed) {
		return nil, &UsageError{err} // an error of the configuration
	}
	if err != nil {
		return nil, err
	}
	return s.keep(ctx, t)
}

// show prints the authorization request and opens the browser. The browser gets the address
// itself, which a person must be able to open where Open is false.
func (s *session) show(ctx context.Context, address string) error {
	s.record(&wire.Exchange{Method: http.MethodGet, URL: address, Header: http.Header{}})
	if !s.Open {
		return s.prompt("Open this address in a browser on this machine:\n\n%s\n\n", address)
	}
	if err := s.prompt("Sign in in the browser.\n"); err != nil {
		return err
	}
	return loopback.Browser(ctx, address)
}

func device(ctx context.Context, s *session) (*Outcome, error) {
	d, err := grant.BeginDevice(ctx, s.client, s.tokenRequest())
	if err != nil {
		return nil, err
	}
	err = s.prompt("Open %s on another device, and enter the code %s\n", d.VerificationURI, d.UserCode)
	if err == nil && d.VerificationURIComplete != "" {
		err = s.prompt("or open %s and compare the code.\n", d.VerificationURIComplete)
	}
	if err != nil {
		return nil, err
	}
	t, err := grant.FinishDevice(ctx, s.client, d)
	if err != nil {
		return nil, err
	}
	return s.keep(ctx, t)
}

// logout deletes the stored tokens, and ends the session at the server in the browser.
func logout(ctx context.Context, s *session) (*Outcome, error) {
	t, err := s.load(ctx)
	if err != nil {
		return nil, err
	}
	if err := s.store.Delete(ctx, s.key()); err != nil {
		return nil, err
	}
	address, _, err := s.client.LogoutURL(ctx, client.Logout{IDTokenHint: t.IDTokenHint})
	if errors.Is(err, client.ErrNoEndpoint) {
		return &Outcome{Done: "the tokens are deleted here; the server has no end_session_endpoint"}, nil
	}
	if err != nil {
		return nil, err
	}
	if err := s.show(ctx, address); err != nil {
		return nil, err
	}
	return &Outcome{Done: "the tokens are deleted here; the browser ends the session at the server"}, nil
}

// ciba has the server ask the user on another device (OpenID Connect CIBA Core 1.0), and polls.
func ciba(ctx context.Context, s *session) (*Outcome, error) {
	if (s.LoginHint == "") == (s.LoginHintToken == "") {
		return nil, usagef("name the user with -login-hint, or pass a login_hint_token on standard input with the argument -")
	}
	if s.RequestedExpiry < 0 || s.RequestedExpiry%time.Second != 0 {
		return nil, usagef("-requested-expiry is %v, expected a whole number of seconds", s.RequestedExpiry)
	}
	b, err := grant.BeginBackchannel(ctx, s.client, grant.BackchannelRequest{
		TokenRequest: s.tokenRequest(), LoginHint: s.LoginHint, LoginHintToken: s.LoginHintToken,
		BindingMessage: s.BindingMessage, UserCode: s.UserCode, RequestedExpiry: s.RequestedExpiry, ACRValues: s.ACRValues,
	})
	if err != nil {
		return nil, err
	}
	if err := s.prompt("The server asks the user on another device. The request expires at %s.\n", b.Expiry.Format(time.TimeOnly)); err != nil {
		return nil, err
	}
	t, err := grant.FinishBackchannel(ctx, s.client, b)
	if err != nil {
		return nil, err
	}
	return s.keep(ctx, t)
}
