package client_test

import (
	"context"
	"errors"
	"fmt"
	"log"

	"github.com/countersign/countersign/client"
	"github.com/countersign/countersign/client/auth"
	"github.com/countersign/countersign/discovery/issuertest"
)

// A complete login. A test issuer acts as the server and the user: Authorize acts as the browser,
// and returns the parameters of the callback.
func Example() {
	ctx := context.Background()
	issuer, err := issuertest.Start(issuertest.Config{})
	if err != nil {
		log.Fatal(err)
	}
	defer issuer.Close()
	c, err := client.New(client.Config{
		Issuer: issuer.URL, ClientID: issuertest.ClientID, Auth: auth.Secret(issuertest.ClientSecret),
		RedirectURL: "https://app.example/callback", Scopes: []string{"openid", "profile"}, HTTP: issuer.Client(),
	})
	if err != nil {
		log.Fatal(err)
	}

	redirect, pending, err := c.Begin(ctx, client.Request{}) // store pending for this browser
	if err != nil {
		log.Fatal(err)
	}
	callback, err := issuer.Authorize(ctx, redirect, "") // the browser
	if err != nil {
		log.Fatal(err)
	}
	issued, err := c.Finish(ctx, pending, callback)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(issued.IDToken.Subject, issued.Scopes)
	// Output: alice [openid profile]
}

// End a session: revoke the tokens, then redirect the browser to the server.
func ExampleClient_LogoutURL() {
	ctx := context.Background()
	issuer, err := issuertest.Start(issuertest.Config{})
	if err != nil {
		log.Fatal(err)
	}
	defer issuer.Close()
	c, err := client.New(client.Config{
		Issuer: issuer.URL, ClientID: issuertest.ClientID, Auth: auth.Secret(issuertest.ClientSecret), HTTP: issuer.Client(),
		RedirectURL: "https://app.example/callback", PostLogoutRedirectURL: "https://app.example/bye",
	})
	if err != nil {
		log.Fatal(err)
	}
	redirect, pending, err := c.Begin(ctx, client.Request{})
	if err != nil {
		log.Fatal(err)
	}
	callback, err := issuer.Authorize(ctx, redirect, "")
	if err != nil {
		log.Fatal(err)
	}
	issued, err := c.Finish(ctx, pending, callback)
	if err != nil {
		log.Fatal(err)
	}

	if err := c.RevokeTokens(ctx, issued); err != nil && !errors.Is(err, client.ErrNoEndpoint) {
		log.Fatal(err) // the tokens may still be active
	}
	logout, state, err := c.LogoutURL(ctx, client.Logout{IDTokenHint: issued.IDTokenHint})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(logout != "", state != "") // redirect to logout, and store state for CheckLogout
	// Output: true true
}

// Tell the user why a login failed. The log gets the error.
func ExampleError() {
	explain := func(err error) string {
		var failed *client.Error
		switch {
		case !errors.As(err, &failed):
			return ""
		case failed.Code == "access_denied":
			return "You cancelled."
		case failed.Temporary():
			return "Try again in a moment."
		}
		return "That did not work: " + failed.Code
	}

	ctx := context.Background()
	issuer, err := issuertest.Start(issuertest.Config{Faults: []issuertest.Fault{issuertest.CallbackDenied}})
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
	redirect, pending, err := c.Begin(ctx, client.Request{})
	if err != nil {
		log.Fatal(err)
	}
	callback, err := issuer.Authorize(ctx, redirect, "")
	if err != nil {
		log.Fatal(err)
	}
	_, err = c.Finish(ctx, pending, callback)
	fmt.Println(explain(err))
	// Output: You cancelled.
}
