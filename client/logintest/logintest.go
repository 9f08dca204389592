// Package logintest tests web handlers behind a login without a network, a server and
// tokens.
//
// For a handler behind Login.Require or Login.Identify, With puts the user into the request:
//
//	r := httptest.NewRequest("GET", "/photos", nil)
//	r = logintest.With(r, logintest.User{Subject: "alice", Claims: map[string]any{"name": "Alice"}})
//	handler.ServeHTTP(httptest.NewRecorder(), r)
//
// For routes that contain the Login itself, [WithSession] adds the cookies of a session.
// login.FromContext, User.Claims and User.Tokens behave as they do after a real login. For
// a complete login over a network, see package issuertest.
package logintest

import (
	"encoding/json"
	"net/http"
	"time"

	"github.com/countersign/countersign/client"
	"github.com/countersign/countersign/client/login"
	"github.com/countersign/countersign/internal/testseam"
)

// Issuer is that of a User that names none.
const Issuer = "https://issuer.example"

// User describes a user who is signed in.
type User struct {
	Issuer   string // "" means the constant Issuer
	Subject  string
	Client   string // the name in login.Config.Clients; "" for WithSession means the only one
	ACR      string
	AMR      []string
	AuthTime time.Time
	SignedIn time.Time // zero means now, for WithSession by the clock of the Login

	// Claims are what the application keeps of the ID token (login.Config.Claims).
	Claims map[string]any

	// Tokens is what User.Tokens gives. nil means that the application keeps no tokens
	// (login.Config.KeepTokens). For WithSession, KeepTokens must be set too.
	Tokens *client.Tokens
}

// With gives r with u in its context, as Login.Require does. It panics if the claims cannot
// be marshaled.
func With(r *http.Request, u User) *http.Request {
	if u.SignedIn.IsZero() {
		u.SignedIn = time.Now()
	}
	user, claims := u.parts()
	return testseam.WithUser(r, user, claims, u.Tokens)
}

// WithSession gives r with the cookies of a session of u at l: Login.Require and
// Login.Identify of l accept it, and so do logouts. It begins the session in
// login.Config.Store if there is one. It panics if that fails, or if l has no client u.Client.
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
