package loopback_test

import (
	"context"
	"fmt"
	"log"
	"time"

	"github.com/countersign/countersign/client"
	"github.com/countersign/countersign/client/auth"
	"github.com/countersign/countersign/client/loopback"
	"github.com/countersign/countersign/discovery/issuertest"
)

// A program signs its user in; the user has five minutes. Without Open, the system's browser
// shows the address. Here a browser of the test kit does, whose user is alice.
func ExampleLogin() {
	issuer, err := issuertest.Start(issuertest.Config{Clients: []issuertest.Client{{ID: "photoctl"}}})
	if err != nil {
		log.Fatal(err)
	}
	defer issuer.Close()

	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	defer cancel()
	tokens, err := loopback.Login(ctx, loopback.Config{
		Client: client.Config{
			Issuer: issuer.URL, ClientID: "photoctl", Auth: auth.Public(), RedirectURL: "http://127.0.0.1/callback", HTTP: issuer.Client(),
		},
		Open: func(_ context.Context, address string) error {
			resp, err := issuer.Browser().Get(address)
			if err == nil {
				resp.Body.Close()
			}
			return err
		},
	})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("signed in:", tokens.IDToken.Subject)
	// Output: signed in: alice
}
