// Identitycloud signs a user in at PingOne Advanced Identity Cloud without a browser, through the
// product's REST interface. Use this for tests, and for programs that already have the user's
// password. A web site must redirect its users to the server instead.
//
//	HOST            the tenant's fully qualified domain name
//	REALM           alpha if it is not set
//	CLIENT_ID       of the registration: a confidential client, with or without implied consent
//	CLIENT_SECRET   of the registration
//	REDIRECT_URL    one of the registration; nothing is sent to it
//	SCOPES          openid if it is not set
//	LOGIN_NAME      the user's name
//	LOGIN_PASSWORD  the user's password
package main

import (
	"cmp"
	"context"
	"fmt"
	"log"
	"os"
	"strings"
	"time"

	"github.com/countersign/countersign/client"
	"github.com/countersign/countersign/client/auth"
)

func main() {
	log.SetFlags(0)
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if err := run(ctx); err != nil {
		log.Fatal(err)
	}
}

// run signs the user in and prints what the server says about the user.
func run(ctx context.Context) error {
	rest := &REST{Host: os.Getenv("HOST"), Realm: cmp.Or(os.Getenv("REALM"), "alpha")}
	config := client.PingOneAdvancedIdentityCloud(rest.Host, rest.Realm)
	config.ClientID, config.Auth = os.Getenv("CLIENT_ID"), auth.SecretBasic(os.Getenv("CLIENT_SECRET"))
	config.RedirectURL = os.Getenv("REDIRECT_URL")
	config.Scopes = strings.Fields(cmp.Or(os.Getenv("SCOPES"), "openid"))
	c, err := client.New(config)
	if err != nil {
		return err
	}
	tokens, err := signIn(ctx, c, rest)
	if err != nil {
		return err
	}
	fmt.Printf("signed in: %s\n", tokens.IDToken.Subject)
	info, err := c.UserInfo(ctx, tokens)
	if err != nil {
		return err
	}
	fmt.Printf("UserInfo: %s\n", info.Subject)
	return end(ctx, c, tokens)
}

// end revokes the tokens, if the metadata has an endpoint for that.
func end(ctx context.Context, c *client.Client, tokens *client.Tokens) error {
	metadata, err := c.Metadata(ctx)
	if err != nil || metadata.RevocationEndpoint == "" {
		return err
	}
	return c.RevokeTokens(ctx, tokens)
}

// signIn is the authorization code flow. REST replaces the browser between Begin and Finish. state,
// nonce, PKCE and iss are checked as in every other login.
func signIn(ctx context.Context, c *client.Client, rest *REST) (*client.Tokens, error) {
	redirect, pending, err := c.Begin(ctx, client.Request{})
	if err != nil {
		return nil, err
	}
	session, err := rest.Authenticate(ctx, os.Getenv("LOGIN_NAME"), os.Getenv("LOGIN_PASSWORD"))
	if err != nil {
		return nil, err
	}
	callback, err := rest.Authorize(ctx, redirect, os.Getenv("REDIRECT_URL"), session)
	if err != nil {
		return nil, err
	}
	return c.Finish(ctx, pending, callback)
}
