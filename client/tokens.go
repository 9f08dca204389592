package client

import (
	"errors"

	"golang.org/x/oauth2"

	"github.com/countersign/countersign/client/auth"
	"github.com/countersign/countersign/idtoken"
)

// Tokens is the result of a login, a grant or a refresh. It redacts itself in fmt and
// log/slog. Encoders such as encoding/json get an error: to store the tokens, encode
// tokens.ToStore(t) of package client/tokens. Its Token field is golang.org/x/oauth2's, which
// does not redact itself: do not log it.
type Tokens struct {
	unprinted[Tokens]
	notEncoded

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

var errEncodeTokens = errors.New("client: Tokens are not encoded, because a part of them would be lost: encode tokens.ToStore(t) of package client/tokens, and read it with Stored.Tokens")

// notEncoded has encoders report how tokens are stored.
type notEncoded struct{}

// MarshalJSON returns an error that names tokens.ToStore.
func (notEncoded) MarshalJSON() ([]byte, error) { return nil, errEncodeTokens }

// MarshalText returns an error that names tokens.ToStore. Encoders of YAML and XML call it.
func (notEncoded) MarshalText() ([]byte, error) { return nil, errEncodeTokens }
