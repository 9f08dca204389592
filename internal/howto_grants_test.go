package internal_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"

	"github.com/countersign/countersign/client"
	"github.com/countersign/countersign/client/auth"
)

// The code of docs/tokens-without-a-login.md, compiled.
var _ = []any{
	asItself, keptFresh, asSubject, onBehalf, beginOnDevice, finishOnDevice, onPhone, pinged, byExtension,
}

func asItself(ctx context.Context, issuer, secret string) (*client.Tokens, error) {
	c, err := client.New(client.Config{Issuer: issuer, ClientID: "night-shift", Auth: auth.SecretBasic(secret)})
	if err != nil {
		return nil, err
	}
	return c.ClientCredentials(ctx, client.TokenRequest{Scopes: []string{"photos.read"}})
}

func keptFresh(c *client.Client) *client.Transport {
	refresher := &client.Refresher{Client: c, Fetch: func(ctx context.Context, _ *client.Tokens) (*client.Tokens, error) {
		return c.ClientCredentials(ctx, client.TokenRequest{Scopes: []string{"photos.read"}})
	}}
	return &client.Transport{Client: c, Tokens: refresher.Source("night-shift"), Origins: []string{"https://photos.example"}}
}

func asSubject(ctx context.Context, c *client.Client, key auth.SigningKey) (*client.Tokens, error) {
	return c.JWTBearer(ctx, client.AssertionRequest{
		Keys:    key,
		Subject: "alice@example.com",
	})
}

func onBehalf(ctx context.Context, c *client.Client, token string) (*client.Tokens, error) {
	return c.TokenExchange(ctx, client.ExchangeRequest{
		SubjectToken: token,
		Audiences:    []string{"printer"},
		TokenRequest: client.TokenRequest{Scopes: []string{"photos.print"}},
	})
}

func beginOnDevice(ctx context.Context, c *client.Client) (*client.Device, error) {
	device, err := c.BeginDevice(ctx, client.TokenRequest{})
	if err != nil {
		return nil, err
	}
	fmt.Printf("Open %s and type in %s\n", device.VerificationURI, device.UserCode)
	return device, nil
}

func finishOnDevice(ctx context.Context, c *client.Client, device *client.Device) (*client.Tokens, error) {
	tokens, err := c.FinishDevice(ctx, device)
	var e *client.Error
	if errors.As(err, &e) && (e.Code == "access_denied" || e.Code == "expired_token") {
		return nil, fmt.Errorf("please start again: %s", e.Code)
	}
	return tokens, err
}

func onPhone(ctx context.Context, c *client.Client) (*client.Tokens, error) {
	login, err := c.BeginBackchannel(ctx, client.BackchannelRequest{LoginHint: "alice", BindingMessage: "W4SCT"})
	if err != nil {
		return nil, err
	}
	return c.FinishBackchannel(ctx, login)
}

func pinged(kept client.TokenStore, finish chan<- *client.Backchannel) {
	http.Handle("/ping", &client.PingHandler{
		Find: func(ctx context.Context, id string) (*client.Backchannel, error) {
			value, err := kept.Load(ctx, "login:"+id)
			if err != nil || value == nil {
				return nil, err
			}
			login := &client.Backchannel{}
			return login, json.Unmarshal(value, login)
		},
		Notify: func(_ context.Context, login *client.Backchannel) { finish <- login },
	})
}

func byExtension(ctx context.Context, c *client.Client, assertion string) (*client.Tokens, error) {
	return c.Grant(ctx, "urn:ietf:params:oauth:grant-type:saml2-bearer", map[string][]string{"assertion": {assertion}})
}
