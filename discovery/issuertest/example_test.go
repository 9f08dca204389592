package issuertest_test

import (
	"context"
	"errors"
	"fmt"
	"log"

	"github.com/countersign/countersign/client"
	"github.com/countersign/countersign/client/auth"
	"github.com/countersign/countersign/discovery/issuertest"
	"github.com/countersign/countersign/idtoken"
)

// A fault of the server: the application must reject the login. In a test, New stops the issuer
// when the test ends.
func ExampleIssuer_Inject() {
	ctx := context.Background()
	issuer, err := issuertest.Start(issuertest.Config{})
	if err != nil {
		log.Fatal(err)
	}
	defer issuer.Close()
	c, err := client.New(client.Config{
		Issuer: issuer.URL, ClientID: issuertest.ClientID, Auth: auth.Secret(issuertest.ClientSecret),
		RedirectURL: "https://app.example/callback", HTTP: issuer.Client(),
	})
	if err != nil {
		log.Fatal(err)
	}

	issuer.Inject(issuertest.IDTokenNonceWrong)
	redirect, pending, err := c.Begin(ctx, client.Request{})
	if err != nil {
		log.Fatal(err)
	}
	callback, err := issuer.Authorize(ctx, redirect, "") // SignIn in a test
	if err != nil {
		log.Fatal(err)
	}
	_, err = c.Finish(ctx, pending, callback)
	var rejected *idtoken.Error
	fmt.Println(errors.As(err, &rejected), rejected.Step.Number == issuertest.IDTokenNonceWrong.Step())
	// Output: true true
}

// A server for development, with two accounts.
func ExampleStart() {
	issuer, err := issuertest.Start(issuertest.Config{
		Clients: []issuertest.Client{{ID: "photos", Secret: "of development", RedirectURLs: []string{"http://localhost:8080/callback"}}},
		Users:   []issuertest.User{{Subject: "alice", Claims: map[string]any{"name": "Alice"}}, {Subject: "bob"}},
		Page:    true, // asks who signs in
	})
	if err != nil {
		log.Fatal(err)
	}
	defer issuer.Close()
	fmt.Println(len(issuer.Clients()))
	// Output: 1
}

// A token for the test of an API.
func ExampleIssuer_AccessToken() {
	issuer, err := issuertest.Start(issuertest.Config{AccessTokens: issuertest.Opaque})
	if err != nil {
		log.Fatal(err)
	}
	defer issuer.Close()
	fmt.Println(issuer.AccessToken(issuertest.AccessToken{Subject: "alice", Scopes: []string{"photos.read"}, Value: "token-of-alice"}))
	// Output: token-of-alice
}
