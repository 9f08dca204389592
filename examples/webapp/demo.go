package main

import (
	"crypto/rand"
	"os"

	"github.com/countersign/countersign/discovery/issuertest"
)

// demonstrate starts a server for a program that was told of none, and registers the
// application there.
func demonstrate() error {
	secret := rand.Text()
	issuer, err := issuertest.Start(issuertest.Config{
		PlainHTTP: true, Page: true,
		Clients: []issuertest.Client{{
			ID: "webapp", Secret: secret, Name: "The web application", RedirectURLs: []string{baseURL + "/callback"},
		}},
	})
	if err != nil {
		return err
	}
	for name, value := range map[string]string{"ISSUER": issuer.URL, "CLIENT_ID": "webapp", "CLIENT_SECRET": secret} {
		if err := os.Setenv(name, value); err != nil {
			return err
		}
	}
	return nil
}
