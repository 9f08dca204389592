package loopback_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/countersign/countersign/client"
	"github.com/countersign/countersign/client/auth"
	"github.com/countersign/countersign/client/loopback"
)

// signInUser is the program of the documentation, with the system's browser.
func signInUser() (*client.Tokens, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	defer cancel()
	issued, err := loopback.Login(ctx, loopback.Config{Client: client.Config{
		Issuer:      "https://as.example",
		ClientID:    "photoctl",
		Auth:        auth.Public(),
		RedirectURL: "http://127.0.0.1/callback",
	}})
	return issued, err
}

// printAddress also prints the address, for a user whose browser does not open.
func printAddress() loopback.Config {
	return loopback.Config{
		Client: client.Config{Issuer: "https://as.example", ClientID: "photoctl", Auth: auth.Public()},
		Open: func(ctx context.Context, address string) error {
			fmt.Println("Open this address in a browser:", address)
			loopback.Browser(ctx, address) // without a browser the user opens the printed address
			return nil
		},
	}
}

// TestHowTo: the address is printed. It is not an error if no browser opens.
func TestHowTo(t *testing.T) {
	if err := printAddress().Open(t.Context(), "not an address"); err != nil {
		t.Error(err)
	}
	_ = signInUser // it needs a server and a browser: ExampleLogin has both
}
