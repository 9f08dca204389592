// Package rstest tests the handlers of an API without a network, a server or real tokens.
//
// For a handler behind a [rs.Protection], With puts the caller into the request:
//
//	r := httptest.NewRequest("GET", "/photos", nil)
//	r = rstest.With(r, rstest.Principal{Subject: "alice", Scopes: []string{"photos.read"}})
//	handler.ServeHTTP(httptest.NewRecorder(), r)
//
// For routes that contain the Protection, use [Tokens] as its Verifier. rs.FromContext,
// Principal.Claims and the guards behave as for a real token. For real tokens over a network,
// see package issuertest.
package rstest

import (
	"context"
	"encoding/json"
	"errors"
	"maps"
	"net/http"
	"strings"
	"time"

	"github.com/countersign/countersign/internal/testseam"
	"github.com/countersign/countersign/rs"
)

// Issuer is the iss of a Principal without Issuer.
const Issuer = "https://issuer.example"

// Principal describes the caller of an API. An empty field means that the token has no such
// claim, except for Issuer, IssuedAt and Expiry.
type Principal struct {
	Issuer   string   // "" means the constant Issuer
	Subject  string   // sub
	ClientID string   // client_id
	Scopes   []string // the values of scope
	Audience []string // aud

	IssuedAt time.Time // zero means now
	Expiry   time.Time // zero means five minutes after IssuedAt

	ID        string // jti
	SessionID string // sid

	ACR      string    // how the user authenticated
	AMR      []string  // the authentication methods, RFC 8176 §1
	AuthTime time.Time // when the user authenticated; zero: no auth_time

	// Claims are all other claims, such as "roles", "cnf", "act" and "authorization_details".
	// They replace the claims of the fields above. A nil value removes a claim.
	Claims map[string]any
}

// With returns r with p in its context, as [rs.Protection.Handler] does for an access token
// with the claims of p. It panics if a claim cannot be read, for example exp as text.
func With(r *http.Request, p Principal) *http.Request {
	made, err := p.principal()
	if err != nil {
		panic("rstest: " + err.Error())
	}
	return testseam.WithPrincipal(r, made)
}

// Tokens is an [rs.Verifier] for tests. It maps access tokens to their callers. Put it into
// Protection.Tokens and send "Authorization: Bearer" with a key of the map. Every other token, and
// a token whose Expiry has passed, is rejected. It is safe for concurrent use if the map does not
// change.
type Tokens map[string]Principal

// VerifyToken implements [rs.Verifier]. An error means that the token is not a key of the map,
// or has expired.
func (t Tokens) VerifyToken(_ context.Context, token string) (*rs.Principal, error) {
	p, ok := t[token]
	if !ok {
		return nil, errors.New("the token is not in rstest.Tokens")
	}
	made, err := p.principal()
	if err != nil {
		return nil, err
	}
	if !time.Now().Before(made.Expiry) {
		return nil, errors.New("the token of rstest.Tokens has expired")
	}
	return made, nil
}

func (p Principal) principal() (*rs.Principal, error) {
	payload, err := json.Marshal(p.claims())
	if err != nil {
		return nil, err
	}
	made, err := testseam.Principal(payload)
	if err != nil {
		return nil, err
	}
	return made.(*rs.Principal), nil
}

// claims returns the claims of the access token that p describes.
func (p Principal) claims() map[string]any {
	if p.IssuedAt.IsZero() {
		p.IssuedAt = time.Now()
	}
	if p.Expiry.IsZero() {
		p.Expiry = p.IssuedAt.Add(5 * time.Minute)
	}
	if p.Issuer == "" {
		p.Issuer = Issuer
	}
	claims := map[string]any{"iss": p.Issuer, "iat": p.IssuedAt.Unix(), "exp": p.Expiry.Unix()}
	for name, value := range map[string]string{
		"sub": p.Subject, "client_id": p.ClientID, "scope": strings.Join(p.Scopes, " "), "jti": p.ID, "sid": p.SessionID, "acr": p.ACR,
	} {
		if value != "" {
			claims[name] = value
		}
	}
	for name, values := range map[string][]string{"aud": p.Audience, "amr": p.AMR} {
		if len(values) > 0 {
			claims[name] = values
		}
	}
	if !p.AuthTime.IsZero() {
		claims["auth_time"] = p.AuthTime.Unix()
	}
	maps.Copy(claims, p.Claims)
	maps.DeleteFunc(claims, func(_ string, v any) bool { return v == nil })
	return claims
}
