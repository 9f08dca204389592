package ssf_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log"
	"net/http"
	"net/http/httptest"
	"strings"
	"time"

	"github.com/countersign/countersign/discovery"
	"github.com/countersign/countersign/discovery/issuertest"
	"github.com/countersign/countersign/rs"
	"github.com/countersign/countersign/rs/ssf"
)

// A server reports that a session was revoked. Then the tokens of the session are rejected. With
// login.Login as another Effect, the session at the web application ends too.
func ExampleReceiver_Handler() {
	issuer, err := issuertest.Start(issuertest.Config{})
	if err != nil {
		log.Fatal(err)
	}
	defer issuer.Close()
	keys, err := discovery.StaticKeys(issuertest.JWKS(issuer.Key()))
	if err != nil {
		log.Fatal(err)
	}
	revoked := &rs.Revocations{}
	receiver := &ssf.Receiver{Issuer: issuer.URL, Audience: "https://app.example", Keys: keys, Effects: []ssf.Effect{revoked}}
	http.Handle("POST /security-events", receiver.Handler()) // Create tells the server this URL

	event := issuer.SignJWT(map[string]any{ // what the server sends
		"iss": issuer.URL, "aud": "https://app.example", "jti": "1", "iat": time.Now().Unix(),
		"sub_id": map[string]any{"format": ssf.Complex, "session": map[string]any{"format": ssf.Opaque, "id": "session-1"}},
		"events": map[string]any{ssf.SessionRevoked: map[string]any{}},
	}, map[string]any{"typ": "secevent+jwt"})
	r := httptest.NewRequest(http.MethodPost, "/security-events", strings.NewReader(event))
	r.Header.Set("Content-Type", "application/secevent+jwt")
	w := httptest.NewRecorder()
	receiver.Handler().ServeHTTP(w, r)

	err = revoked.CheckRevocation(r.Context(), "", &rs.Principal{Issuer: issuer.URL, SessionID: "session-1", IssuedAt: time.Now()})
	fmt.Println(w.Code, err != nil)
	// Output: 202 true
}

// A test of a receiver, or an event that arrives in another way.
func ExampleReceiver_Apply() {
	receiver := &ssf.Receiver{Issuer: "https://as.example", Audience: "https://app.example", Effects: []ssf.Effect{&rs.Revocations{}}}
	err := receiver.Apply(context.Background(), "not a token")
	var rejected *ssf.Error
	fmt.Println(errors.As(err, &rejected) && rejected.Code == ssf.InvalidRequest)
	// Output: true
}

// A receiver that polls, for an application that servers cannot reach. Run calls Poll until its
// context ends.
func ExampleReceiver_Poll() {
	issuer, err := issuertest.Start(issuertest.Config{})
	if err != nil {
		log.Fatal(err)
	}
	defer issuer.Close()
	keys, err := discovery.StaticKeys(issuertest.JWKS(issuer.Key()))
	if err != nil {
		log.Fatal(err)
	}
	server := httptest.NewServer(pollEndpoint(issuer)) // Create returns its URL in Stream.EndpointURL
	defer server.Close()
	ended := ssf.EffectFunc(func(_ context.Context, iss, sub, sid string, before time.Time) error {
		fmt.Println("access ends:", sub)
		return nil
	})
	receiver := &ssf.Receiver{Issuer: issuer.URL, Audience: "https://app.example", Keys: keys, Effects: []ssf.Effect{ended}}
	if err := receiver.Poll(context.Background(), server.URL+"/poll"); err != nil {
		log.Fatal(err)
	}
	// Output:
	// access ends: alice
	// acknowledged: [1]
}

// pollEndpoint is the endpoint of a server with one event (RFC 8936). It prints what the receiver
// acknowledges.
func pollEndpoint(issuer *issuertest.Issuer) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		var poll struct {
			Ack []string `json:"ack"`
		}
		json.NewDecoder(r.Body).Decode(&poll)
		sets := map[string]string{"1": issuer.SignJWT(map[string]any{
			"iss": issuer.URL, "aud": "https://app.example", "jti": "1", "iat": time.Now().Unix(),
			"sub_id": map[string]any{"format": ssf.IssuerSub, "iss": issuer.URL, "sub": "alice"},
			"events": map[string]any{ssf.AccountDisabled: map[string]any{}},
		}, map[string]any{"typ": "secevent+jwt"})}
		if len(poll.Ack) > 0 {
			fmt.Println("acknowledged:", poll.Ack)
			clear(sets)
		}
		w.Header().Set("Content-Type", "application/json")
		json.NewEncoder(w).Encode(map[string]any{"sets": sets})
	}
}

// The events of a token, for an application that acts on them itself.
func ExampleReceiver_Verify() {
	issuer, err := issuertest.Start(issuertest.Config{})
	if err != nil {
		log.Fatal(err)
	}
	defer issuer.Close()
	keys, err := discovery.StaticKeys(issuertest.JWKS(issuer.Key()))
	if err != nil {
		log.Fatal(err)
	}
	receiver := &ssf.Receiver{
		Issuer: issuer.URL, Audience: "https://app.example", Keys: keys,
		Heard: func(context.Context, ssf.Event) error { return nil }, // or Effects: one of them must be set
	}
	events, err := receiver.Verify(context.Background(), issuer.SignJWT(map[string]any{
		"iss": issuer.URL, "aud": "https://app.example", "jti": "1", "iat": time.Now().Unix(),
		"sub_id": map[string]any{"format": ssf.IssuerSub, "iss": issuer.URL, "sub": "alice"},
		"events": map[string]any{ssf.CredentialChange: map[string]any{"credential_type": "password"}},
	}, map[string]any{"typ": "secevent+jwt"}))
	if err != nil {
		log.Fatal(err)
	}
	for _, event := range events {
		var change struct {
			Credential string `json:"credential_type"`
		}
		if err := event.Claims(&change); err != nil {
			log.Fatal(err)
		}
		fmt.Println(event.Subject.Sub, event.Type == ssf.CredentialChange, change.Credential)
	}
	// Output: alice true password
}
