// Package logintest helps to test web handlers behind a login. A test needs no network, no server
// and no tokens.
//
// To test a handler behind Login.Require or Login.Identify, put the user into the request with
// [With]:
//
//	r := httptest.NewRequest("GET", "/photos", nil)
//	r = logintest.With(r, logintest.User{Subject: "alice", Claims: map[string]any{"name": "Alice"}})
//	handler.ServeHTTP(httptest.NewRecorder(), r)
//
// To test routes that contain the Login itself, add the cookies of a session with [WithSession].
// In both cases login.FromContext, User.Claims and User.Tokens return the same values as after a
// real login. To test a complete login, use package issuertest.
package logintest

import (
	"encoding/json"
	"net/http"
	"time"

	"github.com/countersign/countersign/client"
	"github.com/countersign/countersign/client/login"
	"github.com/countersign/countersign/internal/testseam"
)

// Issuer is the issuer of a User whose field Issuer is "".
const Issuer = "https://issuer.example"

// User describes a user who is signed in.
type User struct {
	Issuer   string    // "" means the constant Issuer
	Subject  string    // sub
	Client   string    // the key in login.Config.Clients; with "" WithSession uses the only client
	ACR      string    // how the user authenticated; "" means that the ID token has no acr
	AMR      []string  // the authentication methods, RFC 8176 §1; nil means that the ID token has no amr
	AuthTime time.Time // when the user authenticated; zero means that the ID token has no auth_time
	SignedIn time.Time // zero means now; WithSession uses the clock of the Login

	// Claims are the claims that the application stores (login.Config.Claims).
	Claims map[string]any

	// Tokens are the tokens that User.Tokens returns. nil means that the application stores no
	// tokens. For WithSession, login.Config.KeepTokens must be set too.
	Tokens *client.Tokens
}

// With returns r with u in its context, as Login.Require does. It panics if the claims cannot
// be encoded as JSON.
func With(r *http.Request, u User) *http.Request {
	if u.SignedIn.IsZero() {
		u.SignedIn = time.Now()
	}
	user, claims := u.parts()
	return testseam.WithUser(r, user, claims, u.Tokens)
}

// WithSession returns r with the cookies of a session of u at l. Login.Require and
// Login.Identify of l accept the session, and logouts end it. With a login.Config.Store the
// session is stored there. WithSession panics if the store fails, if l has no client u.Client, or
// if the claims cannot be encoded as JSON.
func WithSession(r *http.Request, l *login.Login, u User) *http.Request {
	user, claims := u.parts()
	r, err := testseam.WithSession(r, l, user, claims, u.Tokens)
	if err != nil {
		panic("logintest: " + err.Error())
	}
	return r
}

func (u User) parts() (*login.User, []byte) {
	if u.Issuer == "" {
		u.Issuer = Issuer
	}
	claims, err := json.Marshal(u.Claims)
	if err != nil {
		panic("logintest: " + err.Error())
	}
	return &login.User{
		Issuer: u.Issuer, Subject: u.Subject, Client: u.Client, ACR: u.ACR, AMR: u.AMR, AuthTime: u.AuthTime, SignedIn: u.SignedIn,
	}, claims
}
