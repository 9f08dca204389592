package idtoken_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log"

	"github.com/countersign/countersign/discovery"
	"github.com/countersign/countersign/discovery/issuertest"
	"github.com/countersign/countersign/idtoken"
)

// A server ends a session with a logout token. It is accepted once.
func ExampleVerifier_VerifyLogout() {
	ctx := context.Background()
	issuer, err := issuertest.Start(issuertest.Config{})
	if err != nil {
		log.Fatal(err)
	}
	defer issuer.Close()
	provider := &discovery.Provider{Issuer: issuer.URL, HTTP: issuer.Client()}
	verifier := &idtoken.Verifier{Issuer: issuer.URL, ClientID: issuertest.ClientID, Keys: provider.Keys()}

	raw := issuer.LogoutToken(issuertest.ClientID, "", "session-1")
	ended, err := verifier.VerifyLogout(ctx, raw)
	if err != nil {
		log.Fatal(err)
	}
	_, again := verifier.VerifyLogout(ctx, raw)
	fmt.Println(ended.SessionID, errors.Is(again, idtoken.ErrReplayed))
	// Output: session-1 true
}

// A claim that some servers write as a string.
func ExampleBooleanClaim() {
	var claims struct {
		Verified idtoken.BooleanClaim `json:"email_verified"`
	}
	err := json.Unmarshal([]byte(`{"email_verified":"true"}`), &claims)
	fmt.Println(claims.Verified, err)
	// Output: true <nil>
}
