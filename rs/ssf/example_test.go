package ssf_test

import (
	"context"
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
