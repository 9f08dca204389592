package tokens_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log"
	"net/http"
	"net/http/httptest"
	"time"

	"github.com/countersign/countersign/client"
	"github.com/countersign/countersign/client/auth"
	"github.com/countersign/countersign/client/grant"
	sessions "github.com/countersign/countersign/client/login"
	"github.com/countersign/countersign/client/tokens"
	"github.com/countersign/countersign/discovery/issuertest"
)

// daemon returns a client and its issuer. Close the issuer after use.
func daemon(config issuertest.Config) (*client.Client, *issuertest.Issuer) {
	issuer, err := issuertest.Start(config)
	if err != nil {
		log.Fatal(err)
	}
	c, err := client.New(client.Config{Issuer: issuer.URL, ClientID: issuertest.ClientID, Auth: auth.Secret(issuertest.ClientSecret), HTTP: issuer.Client()})
	if err != nil {
		log.Fatal(err)
	}
	return c, issuer
}

// A token for the program itself, requested once and again shortly before it expires.
func ExampleRefresher() {
	ctx := context.Background()
	c, issuer := daemon(issuertest.Config{})
	defer issuer.Close()
	refresher := &tokens.Refresher{Client: c, Fetch: func(ctx context.Context, _ *client.Tokens) (*client.Tokens, error) {
		return grant.ClientCredentials(ctx, c, client.TokenRequest{Scopes: []string{"photos.read"}})
	}}
	for range 3 {
		if _, err := refresher.Tokens(ctx, "photos"); err != nil {
			log.Fatal(err)
		}
	}
	fmt.Println(len(issuer.Exchanges(issuertest.TokenEndpoint)), "request")
	// Output: 1 request
}

// A library that accepts a TokenSource of golang.org/x/oauth2.
func ExampleOAuth2() {
	ctx := context.Background()
	c, issuer := daemon(issuertest.Config{})
	defer issuer.Close()
	issued, err := grant.ClientCredentials(ctx, c, client.TokenRequest{})
	if err != nil {
		log.Fatal(err)
	}
	source, err := tokens.NewSource(c, issued)
	if err != nil {
		log.Fatal(err)
	}
	token, err := tokens.OAuth2(ctx, source).Token()
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(token.Type(), token.Valid())
	// Output: Bearer true
}

// Tokens in a database of the application. The text is a secret.
func ExampleToStore() {
	c, issuer := daemon(issuertest.Config{})
	defer issuer.Close()
	issued, err := grant.ClientCredentials(context.Background(), c, client.TokenRequest{})
	if err != nil {
		log.Fatal(err)
	}
	text, err := json.Marshal(tokens.ToStore(issued))
	if err != nil {
		log.Fatal(err)
	}

	var stored tokens.Stored
	if err := json.Unmarshal(text, &stored); err != nil {
		log.Fatal(err)
	}
	again, err := stored.Tokens()
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(again.AccessToken == issued.AccessToken, again.Expiry.Equal(issued.Expiry.Truncate(0)))
	// Output: true true
}

// An API requires a stronger login. Request is the argument for Begin.
func ExampleChallengeError_Request() {
	api := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("WWW-Authenticate", `Bearer error="insufficient_user_authentication", acr_values="urn:example:mfa", max_age="300"`)
		w.WriteHeader(http.StatusUnauthorized)
	}))
	defer api.Close()
	c, issuer := daemon(issuertest.Config{})
	defer issuer.Close()
	issued, err := grant.ClientCredentials(context.Background(), c, client.TokenRequest{})
	if err != nil {
		log.Fatal(err)
	}
	source, err := tokens.NewSource(c, issued)
	if err != nil {
		log.Fatal(err)
	}

	calls := &http.Client{Transport: &tokens.Transport{Client: c, Tokens: source, Origins: []string{api.URL}}, Timeout: time.Minute}
	_, err = calls.Get(api.URL + "/photos")
	var challenge *tokens.ChallengeError
	if errors.As(err, &challenge) {
		ask := challenge.Request()
		fmt.Println(challenge.Code, ask.ACRValues, *ask.MaxAge)
	}
	// Output: insufficient_user_authentication [urn:example:mfa] 5m0s
}

// A program that runs as a single process and keeps tokens in a Store. It needs no leases.
func ExampleLocalLeases() {
	ctx := context.Background()
	c, issuer := daemon(issuertest.Config{})
	defer issuer.Close()
	issued, err := grant.ClientCredentials(ctx, c, client.TokenRequest{Scopes: []string{"photos.read"}})
	if err != nil {
		log.Fatal(err)
	}
	refresher := &tokens.Refresher{Client: c, Store: &sessions.Memory{}, Leases: tokens.LocalLeases{}}
	if err := refresher.Add(ctx, "night-shift", issued); err != nil {
		log.Fatal(err)
	}
	kept, err := refresher.Tokens(ctx, "night-shift")
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(kept.AccessToken == issued.AccessToken, kept.Scopes)
	// Output: true [photos.read]
}
