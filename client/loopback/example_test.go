package loopback_test

import (
	"context"
	"fmt"
	"time"

	"github.com/countersign/countersign/client"
	"github.com/countersign/countersign/client/auth"
	"github.com/countersign/countersign/client/loopback"
)

// Open the browser. The user has five minutes.
func Example() {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	defer cancel()
	tokens, err := loopback.Login(ctx, loopback.Config{Client: client.Config{
		Issuer:      "https://as.example",
		ClientID:    "photoctl",
		Auth:        auth.Public(),
		RedirectURL: "http://127.0.0.1/callback",
	}})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println("signed in:", tokens.IDToken.Subject)
}

// Print the address too, for users whose browser does not open.
func ExampleConfig() {
	config := loopback.Config{
		Client: client.Config{Issuer: "https://as.example", ClientID: "photoctl", Auth: auth.Public()},
		Open: func(ctx context.Context, address string) error {
			fmt.Println("Open this address in a browser:", address)
			loopback.Browser(ctx, address) // if there is one
			return nil
		},
	}
	_ = config
}
