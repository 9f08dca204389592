package main

import (
	"crypto/rand"
	"os"

	"github.com/countersign/countersign/examples/internal/authserver"
)

// demonstrate starts a server for a program that was told of none, and registers the
// application there.
func demonstrate() error {
	secret := rand.Text()
	issuer, _, err := authserver.Start(authserver.Config{
		Clients: []authserver.Client{{
			ID: "webapp", Secret: secret, Name: "The web application", RedirectURLs: []string{baseURL + "/callback"}, Scopes: []string{"openid"},
		}},
		Users: []authserver.User{{Subject: "248289761001", Username: "alice", Password: "wonderland"}},
	})
	if err != nil {
		return err
	}
	for name, value := range map[string]string{"ISSUER": issuer, "CLIENT_ID": "webapp", "CLIENT_SECRET": secret} {
		if err := os.Setenv(name, value); err != nil {
			return err
		}
	}
	return nil
}
