package grant_test

import (
	"context"
	"fmt"
	"log"
	"net/http/httptest"
	"net/url"
	"sync"

	"github.com/countersign/countersign/client"
	"github.com/countersign/countersign/client/auth"
	"github.com/countersign/countersign/client/grant"
	"github.com/countersign/countersign/discovery/issuertest"
)

// CIBA in the ping mode: the server notifies the handler when the user has answered, so the client
// need not poll.
func ExamplePingHandler() {
	ctx := context.Background()
	var logins sync.Map                          // the application's store
	answered := make(chan *grant.Backchannel, 2) // a ping can arrive twice
	app := httptest.NewTLSServer(&grant.PingHandler{
		Find: func(_ context.Context, id string) (*grant.Backchannel, error) {
			b, _ := logins.Load(id)
			found, _ := b.(*grant.Backchannel)
			return found, nil
		},
		Notify: func(_ context.Context, b *grant.Backchannel) { answered <- b },
	})
	defer app.Close()
	issuer, err := issuertest.Start(issuertest.Config{Clients: []issuertest.Client{{ID: "till", Secret: "till-secret", NotificationURL: app.URL}}})
	if err != nil {
		log.Fatal(err)
	}
	defer issuer.Close()
	c, err := client.New(client.Config{Issuer: issuer.URL, ClientID: "till", Auth: auth.Secret("till-secret"), HTTP: issuer.Client()})
	if err != nil {
		log.Fatal(err)
	}

	asked, err := grant.BeginBackchannel(ctx, c, grant.BackchannelRequest{LoginHint: "alice", Ping: true})
	if err != nil {
		log.Fatal(err)
	}
	logins.Store(asked.AuthReqID, asked)
	if err := issuer.Approve(asked.AuthReqID, ""); err != nil { // the user
		log.Fatal(err)
	}
	issued, err := grant.FinishBackchannel(ctx, c, <-answered)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(issued.IDToken.Subject)
	// Output: alice
}

// A JWT as the grant: the program names the party that the token is for, and signs. Here the
// server accepts such JWTs of this client.
func ExampleJWTBearer() {
	key := issuertest.NewKey("key-1", "ES256")
	issuer, err := issuertest.Start(issuertest.Config{
		Clients: []issuertest.Client{{ID: "robot", Secret: "robot-secret", Keys: issuertest.JWKS(key)}},
		Grants: map[string]issuertest.GrantType{"urn:ietf:params:oauth:grant-type:jwt-bearer": func(form url.Values) (issuertest.Granted, error) {
			return issuertest.Granted{Scopes: []string{"photos.read"}}, nil // after it has verified form["assertion"]
		}},
	})
	if err != nil {
		log.Fatal(err)
	}
	defer issuer.Close()
	c, err := client.New(client.Config{Issuer: issuer.URL, ClientID: "robot", Auth: auth.Secret("robot-secret"), HTTP: issuer.Client()})
	if err != nil {
		log.Fatal(err)
	}

	issued, err := grant.JWTBearer(context.Background(), c, grant.AssertionRequest{
		Keys: auth.SigningKey{KeyID: "key-1", Key: key.Private}, Subject: "robot",
		TokenRequest: client.TokenRequest{Scopes: []string{"photos.read"}},
	})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(issued.TokenType, issued.Scopes)
	// Output: Bearer [photos.read]
}
