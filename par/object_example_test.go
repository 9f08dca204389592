package par_test

import (
	"context"
	"fmt"
	"log"
	"net/http/httptest"
	"net/url"
	"strings"

	"github.com/countersign/countersign/discovery/issuertest"
	"github.com/countersign/countersign/par"
)

// signer signs with a key of the test kit. client.Config.RequestObject does this for a login.
type signer struct{ key issuertest.Key }

// Sign implements par.Signer.
func (s signer) Sign(header map[string]any, claims any) (string, error) {
	return s.key.Sign(claims, header), nil
}

// An authorization request as a signed JWT, for the parameter request.
func ExampleRequestObject() {
	object := &par.RequestObject{ClientID: "web", Audience: "https://as.example", Signer: signer{issuertest.NewKey("key-1", "ES256")}}
	jwt, err := object.Pack(context.Background(), url.Values{"client_id": {"web"}, "response_type": {"code"}})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(strings.Count(jwt, "."))
	// Output: 2
}

// A request object that the server fetches from the client.
func ExamplePublished() {
	published := &par.Published{}
	app := httptest.NewTLSServer(published)
	defer app.Close()
	published.BaseURL = app.URL + "/requests"
	uri, err := published.Publish(context.Background(), "a.signed.jwt")
	if err != nil {
		log.Fatal(err)
	}
	resp, err := app.Client().Get(uri) // the server
	if err != nil {
		log.Fatal(err)
	}
	defer resp.Body.Close()
	fmt.Println(resp.StatusCode, resp.Header.Get("Content-Type"))
	// Output: 200 application/oauth-authz-req+jwt
}
