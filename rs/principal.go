package rs

import (
	"context"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/countersign/countersign/internal/jose"
)

// Principal is the user and the client of a request, and what they may do: the content
// of an access token that passed all checks. A user is the pair of Issuer and Subject.
// Requests with the same token may share its slices. Do not change them.
//
// ACR, AMR, AuthTime, SessionID, Act and AuthorizationDetails are informational: a value
// of another JSON type counts as absent, and only the guard that needs it rejects the request.
type Principal struct {
	Issuer   string
	Subject  string // the user; for a client that acts for itself often the client ID
	ClientID string
	Scopes   []string // the granted scopes; empty if the token names none
	Audience []string
	Expiry   time.Time // zero if an introspection answer has no exp
	IssuedAt time.Time // zero if the token has no iat

	ID        string // jti, RFC 7519 §4.1.7; "" if the token has none
	SessionID string // sid, the user's session at the server; "" if the token has none

	ACR      string    // how the user authenticated, RFC 9470 §6; "" if the token has no acr
	AMR      []string  // the authentication methods, RFC 8176
	AuthTime time.Time // when the user authenticated, RFC 9470 §6; zero if the token has no auth_time

	AuthorizationDetails []AuthorizationDetail // RFC 9396 §9
	Act                  *Actor                // who acts for the user, RFC 8693 §4.1; nil if nobody does
	Cnf                  Confirmation          // what the token is bound to

	payload    []byte
	origin     origin
	status     *statusReference // where a status list says more; nil if the token has no claim status
	sri        string           // pi.sri, the session at PingFederate
	unreadable claimSet         // informational claims that have the wrong JSON type
}

// origin is by what a Principal was vouched for: what a [Cache] goes by.
type origin struct {
	keys  keyHolder // and key: of a JWT
	key   *jose.Key
	asked bool // the server was asked
}

// HasScope tells whether the scope was granted; scopes are compared to the letter.
func (p *Principal) HasScope(scope string) bool { return slices.Contains(p.Scopes, scope) }

// Claims decodes the token's claims, or the introspection answer, into v by exact names.
func (p *Principal) Claims(v any) error { return jose.Decode(p.payload, v, jose.TokenLimits) }

// LogValue implements slog.LogValuer: user, client and scope, and nothing else of what
// the token says about the user. What the server wrote is quoted.
func (p *Principal) LogValue() slog.Value {
	return slog.GroupValue(
		slog.String("iss", clean(p.Issuer)), slog.String("sub", clean(p.Subject)),
		slog.String("client_id", clean(p.ClientID)), slog.String("scope", clean(strings.Join(p.Scopes, " "))))
}

// clean leaves ordinary text as it is, and quotes any other.
func clean(s string) string {
	if q := jose.Quote(s); q != `"`+s+`"` {
		return q
	}
	return s
}

// finish makes the Principal from checked claims.
func (c *claims) finish(payload []byte) (*Principal, error) {
	p := &c.principal
	p.Expiry, p.IssuedAt, p.AuthTime, p.payload = c.expiry.Time, c.issuedAt.Time, c.authTime.Time, payload
	if c.cnf == nil && c.act == nil && c.details == nil {
		return p, nil
	}
	if err := c.addDetails(p); err != nil {
		return nil, err
	}
	return p, nil
}

// addDetails reads the claims that are objects. They are rare. Only cnf limits who may
// use the token, so only a cnf that cannot be read rejects it.
func (c *claims) addDetails(p *Principal) (err error) {
	if c.cnf != nil {
		if p.Cnf, err = confirmation(c.cnf); err != nil {
			return err
		}
	}
	if c.act != nil {
		p.Act = actor(c.act)
	}
	if c.details != nil {
		if p.AuthorizationDetails, err = authorizationDetails(c.details); err != nil {
			p.unreadable |= claimDetails
		}
	}
	return nil
}

// requestContext is the context of a request that came through a [Protection]: one
// allocation for all that it carries.
type requestContext struct {
	context.Context
	protection *Protection
	request    *http.Request
	principal  *Principal // nil while the token is checked, and for a request without one
}

type contextKey struct{}

// Value implements context.Context.
func (c *requestContext) Value(key any) any {
	if _, ok := key.(contextKey); ok {
		return c
	}
	return c.Context.Value(key)
}

// FromContext gives the Principal that [Protection.Handler] put into a request's
// context; false when the request did not come through one, or had no token and was
// let through (see Protection.Optional).
func FromContext(ctx context.Context) (*Principal, bool) {
	c, ok := ctx.Value(contextKey{}).(*requestContext)
	if !ok || c.principal == nil {
		return nil, false
	}
	return c.principal, true
}

// requestOf gives the request whose token is checked; nil if there is none.
func requestOf(ctx context.Context) *http.Request {
	if c, ok := ctx.Value(contextKey{}).(*requestContext); ok {
		return c.request
	}
	return nil
}

// protectionOf leads the guards to the Protection that they stand behind.
func protectionOf(r *http.Request) (*Protection, bool) {
	if c, ok := r.Context().Value(contextKey{}).(*requestContext); ok {
		return c.protection, true
	}
	return &Protection{}, false
}
