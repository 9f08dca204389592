package main

import (
	"io"
	"log"
	"net/http"
	"strings"
	"time"

	"github.com/countersign/countersign/client"
	"github.com/countersign/countersign/client/auth"
	"github.com/countersign/countersign/client/grant"
)

// album is the service in the middle: an API for the phone, a client for the printer.
type album struct {
	client  *client.Client
	http    *http.Client
	printer string
}

func newAlbum(issuer, printer string) (*album, error) {
	c, err := client.New(client.Config{Issuer: issuer, ClientID: "photo-album", Auth: auth.SecretBasic(albumSecret)})
	if err != nil {
		return nil, err
	}
	return &album{client: c, http: &http.Client{Timeout: 10 * time.Second}, printer: printer}, nil
}

// ServeHTTP implements http.Handler. The middleware in front of it has verified the token that it
// exchanges. The token is for the album, and its user may read photos.
func (a *album) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	_, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	tokens, err := grant.TokenExchange(r.Context(), a.client, grant.ExchangeRequest{
		SubjectToken:       token,
		RequestedTokenType: grant.AccessTokenType,
		TokenRequest:       client.TokenRequest{Scopes: []string{"photos.print"}, Resources: []string{a.printer}},
	})
	if err != nil {
		fail(w, err)
		return
	}
	if err := a.print(w, r, tokens); err != nil {
		fail(w, err)
	}
}

// print hands on what the printer says.
func (a *album) print(w http.ResponseWriter, r *http.Request, tokens *client.Tokens) error {
	order, err := http.NewRequestWithContext(r.Context(), http.MethodGet, a.printer, nil)
	if err != nil {
		return err
	}
	if err := a.client.Authorize(order, tokens); err != nil {
		return err
	}
	resp, err := a.http.Do(order)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	w.WriteHeader(resp.StatusCode)
	io.WriteString(w, "the printer ")
	_, err = io.Copy(w, io.LimitReader(resp.Body, 1<<10))
	return err
}

// fail writes the reason to the log only.
func fail(w http.ResponseWriter, err error) {
	log.Print(err)
	http.Error(w, "the printer does not respond", http.StatusBadGateway)
}
