package login

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"time"

	"github.com/countersign/countersign/client"
)

// User is a signed-in user. An account is the pair of Issuer and Subject. An email address is not
// an identity, because it can pass to another person. Its methods are safe for concurrent use,
// except SetClaim. Without a Store, Tokens and Renew write to the header of the response: do not
// write the header at the same time.
type User struct {
	Issuer   string    // the server's issuer identifier
	Subject  string    // sub; from Config.SignIn if the server has no ID token
	Client   string    // the name in Config.Clients
	ACR      string    // how the user authenticated at the server, "" if the server does not say it
	AMR      []string  // the authentication methods, empty if the server does not name them
	AuthTime time.Time // when the user authenticated, zero if the server does not say it
	SignedIn time.Time // when the session here began

	// DeviceBound says that the session is bound to a key of the device, and that the request
	// has the bound cookie. Only a proof of possession of the key gives that cookie. See
	// Config.Device.
	DeviceBound bool

	kept   []byte // the session's claims, a JSON object; nil where claims has them
	claims map[string]json.RawMessage
	added  map[string]bool // the names of the claims that SetClaim has set
	source *source         // nil: the tokens are not kept
}

// Claims decodes the claims that the session keeps into v with encoding/json: those of
// Config.Claims, and those that Config.SignIn has set. It returns an error if v cannot hold
// them.
func (u *User) Claims(v any) error {
	if raw := u.kept; raw != nil {
		return json.Unmarshal(raw, v)
	}
	raw, err := json.Marshal(u.claims)
	if err != nil {
		return err
	}
	return json.Unmarshal(raw, v)
}

// Claim returns a claim that is a string, such as "name". It is "" if the session does not keep
// the claim or its value is not a string.
func (u *User) Claim(name string) string {
	var s string
	all := u.claims
	if u.kept != nil && json.Unmarshal(u.kept, &all) != nil || json.Unmarshal(all[name], &s) != nil {
		return ""
	}
	return s
}

// encodeClaims returns nil if there are no claims.
func encodeClaims(all map[string]json.RawMessage) []byte {
	if len(all) == 0 {
		return nil
	}
	raw, err := json.Marshal(all)
	if err != nil {
		return nil // impossible: the values were decoded from JSON
	}
	return raw
}

// keptClaims returns the object for a User. It is empty if the session keeps no claims.
func keptClaims(raw []byte) []byte {
	if raw == nil {
		return []byte("{}")
	}
	return raw
}

var errNoTokens = errors.New("login: the session has no tokens: set Config.KeepTokens")

// Tokens returns the tokens of the session, refreshed if they expire soon. They are refreshed once
// for all tabs, and with a Store once for all processes. User is a tokens.Source for
// tokens.Transport. Call Tokens during the request, and before the header of the response is
// written: without a Store, the header carries new tokens to the browser.
//
// If errors.Is finds tokens.ErrLoginRequired, the visitor must sign in again: call [Login.Begin].
// Any other error means that the session has no tokens (see Config.KeepTokens), or is Temporary.
// All other errors are about the configuration.
func (u *User) Tokens(ctx context.Context) (*client.Tokens, error) {
	if u.source == nil {
		return nil, errNoTokens
	}
	return u.source.Tokens(ctx)
}

// Renew returns new tokens after an API has rejected the given ones. tokens.Transport calls it. It
// returns the errors of Tokens.
func (u *User) Renew(ctx context.Context, rejected *client.Tokens) (*client.Tokens, error) {
	if u.source == nil {
		return nil, errNoTokens
	}
	return u.source.Renew(ctx, rejected)
}

// Format implements fmt.Formatter: every verb prints only the account.
func (u User) Format(f fmt.State, _ rune) { io.WriteString(f, u.redacted()) }

// LogValue implements slog.LogValuer.
func (u User) LogValue() slog.Value { return slog.StringValue(u.redacted()) }

func (u User) redacted() string { return fmt.Sprintf("[%q at %s]", u.Subject, u.Issuer) }

type contextKey struct{}

// FromContext returns the user that Require or Identify found signed in.
func FromContext(ctx context.Context) (*User, bool) {
	u, _ := ctx.Value(contextKey{}).(*User)
	return u, u != nil
}

func withUser(r *http.Request, u *User) *http.Request {
	return r.WithContext(context.WithValue(r.Context(), contextKey{}, u))
}

func (l *Login) user(w http.ResponseWriter, r *http.Request, s *session) *User {
	u := &User{
		Issuer: s.Issuer, Subject: s.Subject, Client: s.Client, ACR: s.ACR, AMR: s.AMR,
		AuthTime: s.AuthTime, SignedIn: s.Begun, DeviceBound: s.bound, kept: keptClaims(s.Claims),
	}
	if l.config.KeepTokens {
		u.source = l.sessions.source(w, r, s)
	}
	return u
}
