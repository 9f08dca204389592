package grant_test

import (
	"context"
	"errors"
	"fmt"
	"log"

	"github.com/countersign/countersign/client"
	"github.com/countersign/countersign/client/auth"
	"github.com/countersign/countersign/client/grant"
	"github.com/countersign/countersign/discovery/issuertest"
)

// exampleClient returns a client of a test issuer.
func exampleClient() (*client.Client, *issuertest.Issuer) {
	issuer, err := issuertest.Start(issuertest.Config{})
	if err != nil {
		log.Fatal(err)
	}
	c, err := client.New(client.Config{Issuer: issuer.URL, ClientID: issuertest.ClientID, Auth: auth.Secret(issuertest.ClientSecret), HTTP: issuer.Client()})
	if err != nil {
		log.Fatal(err)
	}
	return c, issuer
}

// Get a token for the program itself.
func ExampleClientCredentials() {
	c, issuer := exampleClient()
	defer issuer.Close()
	issued, err := grant.ClientCredentials(context.Background(), c, client.TokenRequest{Scopes: []string{"photos.read"}})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(issued.TokenType, issued.Scopes)
	// Output: Bearer [photos.read]
}

// Sign in a user on another device. Approve acts as the user.
func ExampleBeginDevice() {
	ctx := context.Background()
	c, issuer := exampleClient()
	defer issuer.Close()
	device, err := grant.BeginDevice(ctx, c, client.TokenRequest{Scopes: []string{"openid"}})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("Open", device.VerificationURI != "", "and enter", device.UserCode != "")
	if err := issuer.Approve(device.UserCode, "alice"); err != nil {
		log.Fatal(err)
	}
	issued, err := grant.FinishDevice(ctx, c, device)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(issued.IDToken.Subject)
	// Output:
	// Open true and enter true
	// alice
}

// Exchange the token of a request for a token for the next service.
func ExampleTokenExchange() {
	c, issuer := exampleClient()
	defer issuer.Close()
	called := issuer.AccessToken(issuertest.AccessToken{Scopes: []string{"photos.read"}}) // of the request, verified by rs
	issued, err := grant.TokenExchange(context.Background(), c, grant.ExchangeRequest{
		SubjectToken: called,
		TokenRequest: client.TokenRequest{Scopes: []string{"photos.read"}},
	})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(issued.Extra("issued_token_type"))
	// Output: urn:ietf:params:oauth:token-type:access_token
}

// A login without a browser of this application, CIBA: the server asks the user on another
// device. Approve acts as the user.
func ExampleBeginBackchannel() {
	ctx := context.Background()
	c, issuer := exampleClient()
	defer issuer.Close()

	asked, err := grant.BeginBackchannel(ctx, c, grant.BackchannelRequest{LoginHint: "alice", BindingMessage: "W4SCT"})
	if err != nil {
		log.Fatal(err)
	}
	if err := issuer.Approve(asked.AuthReqID, ""); err != nil { // the user, who compares W4SCT
		log.Fatal(err)
	}
	issued, err := grant.FinishBackchannel(ctx, c, asked)
	var failed *client.Error
	switch {
	case errors.As(err, &failed) && failed.Code == "access_denied":
		log.Fatal("the user said no")
	case err != nil:
		log.Fatal(err)
	}
	fmt.Println(issued.IDToken.Subject)
	// Output: alice
}
