package client

import (
	"fmt"
	"io"
	"log/slog"
	"strings"
	"time"

	"golang.org/x/oauth2"

	"github.com/countersign/countersign/client/auth"
	"github.com/countersign/countersign/idtoken"
)

// Tokens is the outcome of a login or a refresh. It redacts itself in fmt, log/slog
// and encoding/json; its Token field is golang.org/x/oauth2's, which does not: store
// that one on purpose or not at all.
type Tokens struct {
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

	// IDTokenHint is the ID token as the server signed it, decrypted, for Request.IDTokenHint
	// and for a logout; "" if there was none.
	IDTokenHint string

	// Refreshed says that the tokens come from a refresh, and not from a login.
	Refreshed bool
}

// Format implements fmt.Formatter: no verb prints a token.
func (t Tokens) Format(f fmt.State, _ rune) { io.WriteString(f, t.redacted()) }

// LogValue implements slog.LogValuer.
func (t Tokens) LogValue() slog.Value { return slog.StringValue(t.redacted()) }

// MarshalText implements encoding.TextMarshaler, so that encoding/json writes no token either.
func (t Tokens) MarshalText() ([]byte, error) { return []byte(t.redacted()), nil }

func (t Tokens) redacted() string {
	var b strings.Builder
	b.WriteString("[tokens")
	if t.IDToken != nil {
		fmt.Fprintf(&b, " of %q at %s", t.IDToken.Subject, t.IDToken.Issuer)
	}
	fmt.Fprintf(&b, ", scope %q", strings.Join(t.Scopes, " "))
	if t.Token != nil && !t.Expiry.IsZero() {
		fmt.Fprintf(&b, ", until %s", t.Expiry.UTC().Format(time.RFC3339))
	}
	b.WriteString("]")
	return b.String()
}
