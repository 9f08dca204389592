// Package testseam connects rs/rstest and client/logintest with the unexported parts of rs
// and client/login. Those packages set the functions when a program starts; only the test
// packages call them. No request can reach them.
package testseam

import "net/http"

// Of package rs. The principals are of type *rs.Principal.
var (
	// Principal reads the claims of an access token as rs does after all checks.
	Principal func(claims []byte) (principal any, err error)

	// WithPrincipal puts a principal into the context of r.
	WithPrincipal func(r *http.Request, principal any) *http.Request
)

// Of package client/login. The users are of type *login.User without claims and tokens, the
// logins of type *login.Login, and the tokens of type *client.Tokens, which may be nil.
var (
	// WithUser puts a user into the context of r.
	WithUser func(r *http.Request, user any, claims []byte, tokens any) *http.Request

	// WithSession begins a session and adds its cookies to r.
	WithSession func(r *http.Request, login, user any, claims []byte, tokens any) (*http.Request, error)
)
