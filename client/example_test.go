package client_test

import (
	"context"
	"fmt"
	"net/url"

	"github.com/countersign/countersign/client"
	"github.com/countersign/countersign/client/auth"
	"github.com/countersign/countersign/discovery"
)

// Begin a login. Metadata is configured here, so that the example needs no server. Without
// Metadata it is discovered.
func ExampleClient_Begin() {
	c, err := client.New(client.Config{
		Issuer:      "https://as.example",
		ClientID:    "web",
		Auth:        auth.SecretBasic("of the registration"),
		RedirectURL: "https://app.example/callback",
		Metadata: &discovery.Metadata{
			Issuer:                "https://as.example",
			AuthorizationEndpoint: "https://as.example/authorize",
			TokenEndpoint:         "https://as.example/token",
			JWKSURI:               "https://as.example/jwks",
		},
	})
	if err != nil {
		panic(err)
	}
	redirect, pending, err := c.Begin(context.Background(), client.Request{})
	if err != nil {
		panic(err)
	}
	address, _ := url.Parse(redirect)
	fmt.Println(address.Host, address.Query().Get("response_type"), address.Query().Get("code_challenge_method"))
	fmt.Println(address.Query().Get("state") == pending.State)
	// Output:
	// as.example code S256
	// true
}

// New reports every fault of a configuration at once.
func ExampleNew() {
	_, err := client.New(client.Config{ClientID: "web", RedirectURL: "http://app.example/callback"})
	fmt.Println(err)
	// Output:
	// client: Config.Issuer is empty: set it to the server's issuer URL
	// client: Config.Auth is not set: use auth.Secret, or auth.Public for a client without a secret
	// client: Config.RedirectURL is not an https URL (http is accepted only on loopback, or in development with InsecureHTTP)
}

// Grant rejects the grants for which package client/grant has functions, because those check
// more.
func ExampleClient_Grant() {
	c, err := client.New(client.Config{Issuer: "https://as.example", ClientID: "night-shift", Auth: auth.SecretBasic("of the registration")})
	if err != nil {
		panic(err)
	}
	_, err = c.Grant(context.Background(), client.Grant{Type: "client_credentials"})
	fmt.Println(err)
	// Output:
	// client: token request: Grant does not send client_credentials, because its response needs more checks: use grant.ClientCredentials
}
