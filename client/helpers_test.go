package client_test

import (
	"time"

	"github.com/countersign/countersign/client"
	"github.com/countersign/countersign/internal/optest"
	"golang.org/x/oauth2"
)

// daemon is a client of the test server that signs in no user.
func daemon(s *optest.Server) client.Config {
	cfg := config(s)
	cfg.RedirectURL = ""
	return cfg
}

// ending returns the tokens of a login that expire in d.
func ending(d time.Duration) *client.Tokens {
	return &client.Tokens{Token: &oauth2.Token{
		AccessToken: "canary-access-0", TokenType: "Bearer", RefreshToken: "canary-refresh-0", Expiry: time.Now().Add(d),
	}, Scopes: []string{"openid"}}
}
