package crossapp_test

import (
	"context"
	"fmt"
	"log"
	"net/url"
	"time"

	"github.com/countersign/countersign/client"
	"github.com/countersign/countersign/client/auth"
	"github.com/countersign/countersign/client/crossapp"
	"github.com/countersign/countersign/discovery/issuertest"
)

// An application calls the API of another one for a user who signed in at the identity provider
// of both. Both servers are of the test kit.
func ExampleCrossApp() {
	chat, err := issuertest.Start(issuertest.Config{Grants: map[string]issuertest.GrantType{
		"urn:ietf:params:oauth:grant-type:jwt-bearer": func(url.Values) (issuertest.Granted, error) {
			return issuertest.Granted{Subject: "alice", Scopes: []string{"chat.read"}}, nil // after it has verified the assertion
		},
	}})
	if err != nil {
		log.Fatal(err)
	}
	defer chat.Close()
	var idp *issuertest.Issuer
	idp, err = issuertest.Start(issuertest.Config{Grants: map[string]issuertest.GrantType{
		"urn:ietf:params:oauth:grant-type:token-exchange": func(form url.Values) (issuertest.Granted, error) {
			now := time.Now()
			grant := idp.SignJWT(map[string]any{
				"iss": idp.URL, "sub": "alice", "aud": form.Get("audience"), "client_id": issuertest.ClientID, "resource": form.Get("resource"),
				"scope": form.Get("scope"), "jti": "1", "iat": now.Unix(), "exp": now.Add(time.Minute).Unix(),
			}, map[string]any{"typ": "oauth-id-jag+jwt"})
			return issuertest.Granted{Subject: "alice", Response: map[string]any{
				"access_token": grant, "issued_token_type": crossapp.TokenType, "token_type": "N_A",
			}}, nil
		},
	}})
	if err != nil {
		log.Fatal(err)
	}
	defer idp.Close()
	at := func(issuer *issuertest.Issuer) *client.Client {
		c, err := client.New(client.Config{Issuer: issuer.URL, ClientID: issuertest.ClientID, Auth: auth.Secret(issuertest.ClientSecret), HTTP: issuer.Client()})
		if err != nil {
			log.Fatal(err)
		}
		return c
	}

	app := crossapp.CrossApp{
		IdP: at(idp), At: at(chat), Resource: "https://api.chat.example", Scopes: []string{"chat.read"},
		Subject: func(context.Context) (crossapp.Subject, error) {
			return crossapp.Subject{Token: idp.IDToken(issuertest.IDToken{})}, nil // Tokens.IDTokenHint of the login
		},
	}
	issued, err := app.Fetch(context.Background()) // Source renews it before it expires, for tokens.Transport
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(issued.TokenType, issued.Scopes)
	// Output: Bearer [chat.read]
}
