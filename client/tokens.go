package client

import (
	"errors"

	"golang.org/x/oauth2"

	"github.com/countersign/countersign/client/auth"
	"github.com/countersign/countersign/idtoken"
)

// Tokens is the result of a login, a grant or a refresh. It redacts itself in fmt and log/slog.
// Encoders such as encoding/json return an error. To store the tokens, encode tokens.ToStore(t)
// of package client/tokens. The Token field has a type of golang.org/x/oauth2, which does not
// redact itself: do not log it.
type Tokens struct {
	unprinted[Tokens]
	notEncoded

	*oauth2.Token

	// IDToken is the validated ID token; nil if the scope had no openid.
	IDToken *idtoken.Token

	// Login has the claims of the login's ID token. Later refreshes compare their ID token with it.
	// Store it with the refresh token. nil if there was no ID token.
	Login *idtoken.Original

	// Report holds the result of each of the 14 validation steps. nil if there is no ID token.
	Report *idtoken.Report

	// DPoPKey is the key that the access token is bound to, if TokenType is "DPoP". It is
	// required to use and to refresh the tokens.
	DPoPKey auth.SigningKey

	// Scopes are the granted scopes.
	Scopes []string

	// Resources are the APIs that the login or the grant named (RFC 8707). A refresh sends the
	// resource again.
	Resources []string

	// IDTokenHint is the ID token as the server signed it, decrypted. Use it for
	// Request.IDTokenHint and for a logout. "" if there was no ID token.
	IDTokenHint string

	// Refreshed says that the tokens come from a refresh, not from a login.
	Refreshed bool
}

var errEncodeTokens = errors.New("client: Tokens cannot be encoded directly: encode the result of tokens.ToStore, and decode it with Stored.Tokens")

// notEncoded makes encoders return an error that says how to store tokens.
type notEncoded struct{}

// MarshalJSON returns an error that names tokens.ToStore.
func (notEncoded) MarshalJSON() ([]byte, error) { return nil, errEncodeTokens }

// MarshalText returns an error that names tokens.ToStore. Encoders of YAML and XML call it.
func (notEncoded) MarshalText() ([]byte, error) { return nil, errEncodeTokens }

// MarshalBinary returns an error that names tokens.ToStore. encoding/gob calls it.
func (notEncoded) MarshalBinary() ([]byte, error) { return nil, errEncodeTokens }
