// Daemon calls an API for itself, without a user (client credentials).
//
//	ISSUER          the server; without it one is started, and an API too
//	CLIENT_ID       of the registration
//	CLIENT_SECRET   of the registration
//	SCOPES          the requested scopes; none if it is not set
//	RESOURCE        the API's identifier, if the server requires it (RFC 8707)
//	API_URL         the API to call
//	TIMES, EVERY    how often, and how long to wait in between; 3 and 1s if they are not set
package main

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/url"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"time"

	"github.com/countersign/countersign/client"
	"github.com/countersign/countersign/client/auth"
	"github.com/countersign/countersign/client/grant"
	"github.com/countersign/countersign/client/tokens"
	"github.com/countersign/countersign/discovery/issuertest"
	"github.com/countersign/countersign/examples/internal/demo"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	times, err := strconv.Atoi(cmp.Or(os.Getenv("TIMES"), "3"))
	if err != nil {
		log.Fatal(err)
	}
	every, err := time.ParseDuration(cmp.Or(os.Getenv("EVERY"), "1s"))
	if err != nil {
		log.Fatal(err)
	}
	api, address, err := newAPI()
	if err != nil {
		log.Fatal(err)
	}
	for range times {
		if err := call(ctx, api, address); err != nil {
			log.Fatal(err)
		}
		time.Sleep(every)
	}
}

// registration is the daemon's client at the server.
type registration struct {
	issuer, id, secret, api string
	request                 client.TokenRequest
}

// newAPI returns an HTTP client that adds the daemon's token to its requests to the API. It gets a
// new token shortly before the old one expires.
func newAPI() (*http.Client, string, error) {
	reg, err := find()
	if err != nil {
		return nil, "", err
	}
	c, err := client.New(client.Config{Issuer: reg.issuer, ClientID: reg.id, Auth: auth.Secret(reg.secret)})
	if err != nil {
		return nil, "", err
	}
	refresher := &tokens.Refresher{Client: c, Fetch: func(ctx context.Context, _ *client.Tokens) (*client.Tokens, error) {
		return grant.ClientCredentials(ctx, c, reg.request)
	}}
	at, err := url.Parse(reg.api)
	if err != nil {
		return nil, "", err
	}
	transport := &tokens.Transport{Client: c, Tokens: refresher.Source("daemon"), Origins: []string{at.Scheme + "://" + at.Host}}
	return &http.Client{Transport: transport, Timeout: 30 * time.Second}, reg.api, nil
}

// call prints the response of the API.
func call(ctx context.Context, api *http.Client, address string) error {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return err
	}
	resp, err := api.Do(r)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, 1<<10))
	if err != nil {
		return err
	}
	fmt.Printf("%s: %s\n", resp.Status, body)
	return nil
}

// find reads the environment, or starts a server and an API.
func find() (*registration, error) {
	if issuer := os.Getenv("ISSUER"); issuer != "" {
		return &registration{
			issuer: issuer, id: os.Getenv("CLIENT_ID"), secret: os.Getenv("CLIENT_SECRET"), api: os.Getenv("API_URL"),
			request: client.TokenRequest{Scopes: strings.Fields(os.Getenv("SCOPES")), Resources: strings.Fields(os.Getenv("RESOURCE"))},
		}, nil
	}
	l, api, err := demo.Listen()
	if err != nil {
		return nil, err
	}
	issuer, err := demo.Server(issuertest.Client{
		ID: "night-shift", Secret: "of the night shift", Scopes: []string{"photos.read"}, Audience: []string{api},
	})
	if err != nil {
		return nil, err
	}
	demo.Serve(l, demo.Protect(issuer, api, "photos.read", demo.Say("the photos")))
	return &registration{
		issuer: issuer, id: "night-shift", secret: "of the night shift", api: api,
		request: client.TokenRequest{Scopes: []string{"photos.read"}, Resources: []string{api}},
	}, nil
}
