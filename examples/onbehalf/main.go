// Onbehalf is a service that calls another service for its user (token exchange, RFC 8693).
// Alice's phone calls the photo album. To print, the album exchanges alice's token for one that
// the printer accepts. The printer sees alice as the user, and the album as the client.
package main

import (
	"context"
	"fmt"
	"io"
	"log"
	"net/http"

	"github.com/countersign/countersign/client"
	"github.com/countersign/countersign/client/auth"
	"github.com/countersign/countersign/client/grant"
	"github.com/countersign/countersign/discovery/issuertest"
	"github.com/countersign/countersign/examples/internal/demo"
)

const albumSecret = "of the album"

func main() {
	ctx := context.Background()
	s, err := start()
	if err != nil {
		log.Fatal(err)
	}
	phone, tokens, err := s.signIn(ctx)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("1. alice's phone has a token for the album")
	for _, address := range []string{s.album, s.printer} {
		said, err := get(ctx, phone, tokens, address)
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(said)
	}
}

// system are the addresses of the programs, which are the identifiers of the APIs too.
type system struct{ issuer, album, printer string }

// start starts the server, the printer and the album.
func start() (*system, error) {
	printerListener, printer, err := demo.Listen()
	if err != nil {
		return nil, err
	}
	albumListener, album, err := demo.Listen()
	if err != nil {
		return nil, err
	}
	issuer, err := demo.Server(
		issuertest.Client{ID: "phone", Scopes: []string{"openid", "photos.read"}, Audience: []string{album}},
		issuertest.Client{
			ID: "photo-album", Secret: albumSecret, Scopes: []string{"photos.print"}, Audience: []string{printer},
		},
	)
	if err != nil {
		return nil, err
	}
	handler, err := newAlbum(issuer, printer)
	if err != nil {
		return nil, err
	}
	demo.Serve(printerListener, demo.Protect(issuer, printer, "photos.print", demo.Say("prints the photos")))
	demo.Serve(albumListener, demo.Protect(issuer, album, "photos.read", handler))
	return &system{issuer, album, printer}, nil
}

// signIn plays alice, who allows her phone to read her photos.
func (s *system) signIn(ctx context.Context) (*client.Client, *client.Tokens, error) {
	c, err := client.New(client.Config{Issuer: s.issuer, ClientID: "phone", Auth: auth.Public(), Scopes: []string{"openid", "photos.read"}})
	if err != nil {
		return nil, nil, err
	}
	device, err := grant.BeginDevice(ctx, c, client.TokenRequest{})
	if err != nil {
		return nil, nil, err
	}
	if err := demo.Allow(ctx, device.VerificationURI, device.UserCode); err != nil {
		return nil, nil, err
	}
	tokens, err := grant.FinishDevice(ctx, c, device)
	return c, tokens, err
}

// get returns the response of an API to the phone.
func get(ctx context.Context, c *client.Client, tokens *client.Tokens, address string) (string, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return "", err
	}
	if err := c.Authorize(r, tokens); err != nil {
		return "", err
	}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, 1<<10))
	if err != nil || resp.StatusCode != http.StatusOK {
		return "3. the printer rejects the phone's token: " + resp.Status, err
	}
	return "2. the album: " + string(body), nil
}
