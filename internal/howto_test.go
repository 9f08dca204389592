package internal_test

import (
	"context"
	"crypto"
	"errors"
	"net/http"
	"net/url"
	"time"

	"github.com/countersign/countersign/client"
	"github.com/countersign/countersign/client/auth"
	"github.com/countersign/countersign/discovery"
	"github.com/countersign/countersign/idtoken"
	"github.com/countersign/countersign/pkce"
)

// The code that the pages of docs show, compiled. Other tests check what it does.
var _ = []any{newClient, strong, byName, begin, explain, exchange, exchangeWithNonce, validate}

func newClient(secret string) (*client.Client, error) {
	c, err := client.New(client.Config{
		Issuer:      "https://as.example",
		ClientID:    "web",
		Auth:        auth.Secret(secret),
		RedirectURL: "https://app.example/callback",
		Scopes:      []string{"openid", "profile"},
	})
	return c, err
}

func strong(config client.Config, signer crypto.Signer) (*client.Client, error) {
	key := auth.SigningKey{KeyID: "2026-01", Alg: "PS256", Key: signer}
	config.Auth = auth.PrivateKeyJWT(key, auth.Assertion{})
	config.DPoP = &client.DPoP{}
	config.Profile = client.FAPI2Security
	return client.New(config)
}

func byName(secret string) (*client.Client, error) {
	config := client.Keycloak("https://sso.example", "main")
	config.ClientID, config.Auth, config.RedirectURL = "web", auth.Secret(secret), "https://app.example/callback"
	return client.New(config)
}

func begin(ctx context.Context, c *client.Client) (string, *client.Pending, error) {
	hour := time.Hour
	redirect, pending, err := c.Begin(ctx, client.Request{
		Prompt:    []string{"login"},
		MaxAge:    &hour,
		ACRValues: []string{"urn:gold"},
		LoginHint: "alice",
		Resources: []string{"https://api.example/"},
	})
	return redirect, pending, err
}

func explain(err error) string {
	var failed *client.Error
	var refused *client.CallbackError
	switch {
	case errors.As(err, &refused) && refused.Code == "access_denied":
		return "You cancelled."
	case errors.As(err, &failed) && failed.Temporary():
		return "Try again in a moment."
	case errors.As(err, &failed):
		return "That did not work: " + failed.Code
	}
	return ""
}

func exchange(c *client.Client, r *http.Request) (*client.Tokens, error) {
	verifier, err := pkce.Parse(r.PostFormValue("code_verifier"))
	if err != nil {
		return nil, err
	}
	return c.Exchange(r.Context(), r.PostFormValue("code"), verifier)
}

func exchangeWithNonce(c *client.Client, r *http.Request, issuer string) (*client.Tokens, error) {
	pending := &client.Pending{
		Issuer: issuer, ClientID: "app", RedirectURL: "com.example.app://callback", Scopes: []string{"openid"},
		State: r.PostFormValue("state"), Nonce: r.PostFormValue("nonce"), CodeVerifier: r.PostFormValue("code_verifier"),
		CreatedAt: time.Now(),
	}
	return c.Finish(r.Context(), pending, url.Values{
		"code": {r.PostFormValue("code")}, "state": {r.PostFormValue("state")}, "iss": r.PostForm["iss"],
	})
}

func validate(ctx context.Context, provider *discovery.Provider, raw, nonce, accessToken string) (*idtoken.Token, *idtoken.Report) {
	v := &idtoken.Verifier{
		Issuer:   "https://as.example",
		ClientID: "web",
		Keys:     provider.Keys(),
	}
	token, report := v.Check(ctx, raw, idtoken.Expected{Nonce: nonce, AccessToken: accessToken})
	return token, report
}
