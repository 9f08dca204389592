package discovery_test

import (
	"context"
	"fmt"
	"log"
	"net/http"
	"net/http/httptest"

	"github.com/countersign/countersign/discovery"
	"github.com/countersign/countersign/discovery/issuertest"
	"github.com/countersign/countersign/rs"
)

// The metadata of a server, and its keys.
func ExampleProvider_Metadata() {
	issuer, err := issuertest.Start(issuertest.Config{})
	if err != nil {
		log.Fatal(err)
	}
	defer issuer.Close()
	provider := &discovery.Provider{Issuer: issuer.URL, HTTP: issuer.Client()}
	metadata, err := provider.Metadata(context.Background())
	if err != nil {
		log.Fatal(err)
	}
	_, err = provider.Keys().VerifySignature(context.Background(), issuer.SignJWT(map[string]any{"sub": "alice"}, nil))
	fmt.Println(metadata.TokenEndpoint == issuer.URL+"/token", err)
	// Output: true <nil>
}

// Keys that the operator pins, for a server that publishes none.
func ExampleStaticKeys() {
	key := issuertest.NewKey("key-1", "ES256")
	keys, err := discovery.StaticKeys(issuertest.JWKS(key))
	if err != nil {
		log.Fatal(err)
	}
	_, err = keys.VerifySignature(context.Background(), key.Sign(map[string]any{"sub": "alice"}, nil))
	fmt.Println(err)
	// Output: <nil>
}

// An API whose metadata names its authorization server. The application decides which servers it
// trusts.
func ExampleFetchResource() {
	ctx := context.Background()
	issuer, err := issuertest.Start(issuertest.Config{})
	if err != nil {
		log.Fatal(err)
	}
	defer issuer.Close()
	mux := http.NewServeMux()
	api := httptest.NewServer(mux)
	defer api.Close()
	meta := &rs.Metadata{Resource: api.URL + "/photos", AuthorizationServers: []string{issuer.URL}}
	mux.Handle(meta.Path(), meta)

	resource, err := discovery.FetchResource(ctx, nil, api.URL+"/photos")
	if err != nil {
		log.Fatal(err)
	}
	server, err := resource.Server(ctx, issuer.Client(), func(iss string) bool { return iss == issuer.URL })
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(server.Issuer == issuer.URL)
	// Output: true
}

// A Transport of the application that does not connect to the internal network, even if a server's
// metadata has such an address.
func ExampleDialer() {
	inside := httptest.NewServer(http.NotFoundHandler())
	defer inside.Close()
	outgoing := &http.Client{Transport: &http.Transport{DialContext: (&discovery.Dialer{}).DialContext}}
	_, err := outgoing.Get(inside.URL)
	fmt.Println(err != nil)
	// Output: true
}
