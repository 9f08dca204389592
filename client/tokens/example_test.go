package tokens_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"net/http"
	"os"
	"path/filepath"

	"github.com/countersign/countersign/client"
	"github.com/countersign/countersign/client/auth"
	"github.com/countersign/countersign/client/tokens"
	"github.com/countersign/countersign/discovery/issuertest"
)

// A command-line program that stores its tokens. The user has not signed in yet.
func ExampleFileStore() {
	dir, err := os.MkdirTemp("", "photoctl")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	c, err := client.New(client.Config{Issuer: "https://as.example", ClientID: "photoctl", Auth: auth.Public(), RedirectURL: "http://127.0.0.1/callback"})
	if err != nil {
		log.Fatal(err)
	}

	store := &tokens.FileStore{Dir: filepath.Join(dir, "tokens")} // in os.UserConfigDir
	refresher := &tokens.Refresher{Client: c, Store: store, Leases: store}
	_, err = refresher.Tokens(context.Background(), "default")
	fmt.Println(errors.Is(err, tokens.ErrLoginRequired)) // sign in with loopback.Login, then refresher.Add
	// Output: true
}

// Call an API for a user. The Transport adds a valid token to requests to Origins, and to no
// others.
func ExampleTransport() {
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

	refresher := &tokens.Refresher{Client: c} // in memory
	if err := refresher.Add(ctx, "session-1", issued); err != nil {
		log.Fatal(err)
	}
	api := &http.Client{Transport: &tokens.Transport{
		Client: c, Tokens: refresher.Source("session-1"), Origins: []string{issuer.URL},
		Base: issuer.Client().Transport,
	}}
	resp, err := api.Get(issuer.URL + "/userinfo") // any API that accepts the token
	if err != nil {
		log.Fatal(err)
	}
	defer resp.Body.Close()
	fmt.Println(resp.Status)
	// Output: 200 OK
}
