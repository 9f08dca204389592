package internal_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"

	"github.com/countersign/countersign/client"
	"github.com/countersign/countersign/client/auth"
	"github.com/countersign/countersign/client/grant"
	"github.com/countersign/countersign/client/tokens"
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
	return grant.ClientCredentials(ctx, c, client.TokenRequest{Scopes: []string{"photos.read"}})
}

func keptFresh(c *client.Client) *tokens.Transport {
	refresher := &tokens.Refresher{Client: c, Fetch: func(ctx context.Context, _ *client.Tokens) (*client.Tokens, error) {
		return grant.ClientCredentials(ctx, c, client.TokenRequest{Scopes: []string{"photos.read"}})
	}}
	return &tokens.Transport{Client: c, Tokens: refresher.Source("night-shift"), Origins: []string{"https://photos.example"}}
}

func asSubject(ctx context.Context, c *client.Client, key auth.SigningKey) (*client.Tokens, error) {
	return grant.JWTBearer(ctx, c, grant.AssertionRequest{
		Keys:    key,
		Subject: "alice@example.com",
	})
}

func onBehalf(ctx context.Context, c *client.Client, token string) (*client.Tokens, error) {
	return grant.TokenExchange(ctx, c, grant.ExchangeRequest{
		SubjectToken: token,
		Audiences:    []string{"printer"},
		TokenRequest: client.TokenRequest{Scopes: []string{"photos.print"}},
	})
}

func beginOnDevice(ctx context.Context, c *client.Client) (*grant.Device, error) {
	device, err := grant.BeginDevice(ctx, c, client.TokenRequest{})
	if err != nil {
		return nil, err
	}
	fmt.Printf("Open %s and type in %s\n", device.VerificationURI, device.UserCode)
	return device, nil
}

func finishOnDevice(ctx context.Context, c *client.Client, device *grant.Device) (*client.Tokens, error) {
	issued, err := grant.FinishDevice(ctx, c, device)
	var e *client.Error
	if errors.As(err, &e) && (e.Code == "access_denied" || e.Code == "expired_token") {
		return nil, fmt.Errorf("please start again: %s", e.Code)
	}
	return issued, err
}

func onPhone(ctx context.Context, c *client.Client) (*client.Tokens, error) {
	login, err := grant.BeginBackchannel(ctx, c, grant.BackchannelRequest{LoginHint: "alice", BindingMessage: "W4SCT"})
	if err != nil {
		return nil, err
	}
	return grant.FinishBackchannel(ctx, c, login)
}

func pinged(kept tokens.Store, finish chan<- *grant.Backchannel) {
	http.Handle("/ping", &grant.PingHandler{
		Find: func(ctx context.Context, id string) (*grant.Backchannel, error) {
			value, err := kept.Load(ctx, "login:"+id)
			if err != nil || value == nil {
				return nil, err
			}
			login := &grant.Backchannel{}
			return login, json.Unmarshal(value, login)
		},
		Notify: func(_ context.Context, login *grant.Backchannel) { finish <- login },
	})
}

func byExtension(ctx context.Context, c *client.Client, assertion string) (*client.Tokens, error) {
	return c.Grant(ctx, client.Grant{Type: "urn:ietf:params:oauth:grant-type:saml2-bearer", Form: url.Values{"assertion": {assertion}}})
}
