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

// Principal is who sent a request, and what they may do: the content of an
// access token that passed. A user is the pair of Issuer and Subject. Its slices may
// be shared by the requests of one token, and must not be changed.
type Principal struct {
	Issuer   string
	Subject  string // the user; of a client that acts for itself often the client ID
	ClientID string
	Scopes   []string // those granted; none if the token names none
	Audience []string
	Expiry   time.Time // zero when an introspection answer does not say
	IssuedAt time.Time // zero when the token does not say

	ACR      string    // how the user authenticated, RFC 9470 §6; "" when the token does not say
	AMR      []string  // with what, RFC 8176
	AuthTime time.Time // when, RFC 9470 §6; zero when the token does not say

	AuthorizationDetails []AuthorizationDetail // RFC 9396 §9
	Act                  *Actor                // who acts for the user, RFC 8693 §4.1; nil for nobody
	Cnf                  Confirmation          // what the token is bound to

	payload []byte
	origin  origin
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

// finish makes the Principal of claims that were checked.
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

// addDetails reads the claims that are objects. They are rare.
func (c *claims) addDetails(p *Principal) (err error) {
	if c.cnf != nil {
		if p.Cnf, err = confirmation(c.cnf); err != nil {
			return err
		}
	}
	if c.act != nil {
		if err := jose.Decode(c.act, &p.Act, jose.TokenLimits); err != nil {
			return err
		}
	}
	if c.details != nil {
		p.AuthorizationDetails, err = authorizationDetails(c.details)
	}
	return err
}

// requestContext is the context of a request that came through a [Protection]: one
// allocation for all that it carries.
type requestContext struct {
	context.Context
	protection *Protection
	principal  *Principal // nil for a request that had no token, and was let through
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

// protectionOf leads the guards to the Protection that they stand behind.
func protectionOf(r *http.Request) (*Protection, bool) {
	if c, ok := r.Context().Value(contextKey{}).(*requestContext); ok {
		return c.protection, true
	}
	return &Protection{}, false
}
