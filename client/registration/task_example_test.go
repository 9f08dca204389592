package registration_test

import (
	"context"
	"errors"
	"fmt"
	"log"

	"github.com/countersign/countersign/client"
	"github.com/countersign/countersign/client/registration"
	"github.com/countersign/countersign/discovery"
	"github.com/countersign/countersign/discovery/issuertest"
)

// A client that registers itself. Store the result with the application's other secrets.
func ExampleRegistrar_Register() {
	ctx := context.Background()
	issuer, err := issuertest.Start(issuertest.Config{})
	if err != nil {
		log.Fatal(err)
	}
	defer issuer.Close()
	server := &discovery.Provider{Issuer: issuer.URL, HTTP: issuer.Client()}
	registrar := &registration.Registrar{Server: server}

	registered, err := registrar.Register(ctx, registration.Metadata{
		ClientName: "Photos", RedirectURIs: []string{"https://app.example/callback"}, TokenEndpointAuthMethod: "client_secret_basic",
	})
	var failed *registration.Error
	switch {
	case errors.As(err, &failed) && failed.Code == registration.InvalidRedirectURI:
		log.Fatal("the server does not allow the RedirectURIs")
	case err != nil:
		log.Fatal(err)
	}
	c, err := client.New(registered.Config(server, nil))
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(c.Config().RedirectURL, registered.ClientSecret != "")
	// Output: https://app.example/callback true
}
