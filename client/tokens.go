package client

import (
	"golang.org/x/oauth2"

	"github.com/countersign/countersign/client/auth"
	"github.com/countersign/countersign/idtoken"
)

// Tokens is the outcome of a login or a refresh. It redacts itself in fmt, log/slog
// and encoding/json; its Token field is golang.org/x/oauth2's, which does not: store
// that one on purpose or not at all.
type Tokens struct {
	hidden[Tokens]

	*oauth2.Token

	// IDToken is the validated ID token; nil if the scope had no openid.
	IDToken *idtoken.Token

	// Login is what was kept of the ID token of the login, for later refreshes: store it
	// beside the refresh token. nil if there was no ID token.
	Login *idtoken.Original

	// Report tells how each of the 14 steps ended; nil if there is no ID token.
	Report *idtoken.Report

	// DPoPKey is the key that the access token is bound to, if it is (TokenType "DPoP"). It is
	// needed to use and to refresh the tokens.
	DPoPKey auth.SigningKey

	// Scopes are those that were granted.
	Scopes []string

	// Resources are the APIs that the login or the grant named (RFC 8707). A refresh names
	// the API again.
	Resources []string

	// IDTokenHint is the ID token as the server signed it, decrypted, for Request.IDTokenHint
	// and for a logout; "" if there was none.
	IDTokenHint string

	// Refreshed says that the tokens come from a refresh, and not from a login.
	Refreshed bool
}
