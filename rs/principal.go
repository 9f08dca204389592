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

// Principal is the content of an access token that passed all checks: the user, the client and
// what they may do. Issuer and Subject together identify a user. Requests with the same token
// may share its slices. Do not change them.
//
// ACR, AMR, AuthTime, SessionID, Act and AuthorizationDetails are informational. A value of the
// wrong JSON type counts as absent. Only the guard that needs it rejects the request.
type Principal struct {
	Issuer   string    // iss: the server that issued the token
	Subject  string    // the user; often the client ID if the client acts for itself
	ClientID string    // client_id; "" if the token has none
	Scopes   []string  // the granted scopes; empty if the token has none
	Audience []string  // aud: all values
	Expiry   time.Time // zero if an introspection response has no exp
	IssuedAt time.Time // zero if the token has no iat

	ID        string // jti, RFC 7519 §4.1.7; "" if the token has none
	SessionID string // sid, the user's session at the server; "" if the token has none

	ACR      string    // how the user authenticated, RFC 9470 §6; "" if the token has no acr
	AMR      []string  // the authentication methods, RFC 8176
	AuthTime time.Time // when the user authenticated, RFC 9470 §6; zero if the token has no auth_time

	AuthorizationDetails []AuthorizationDetail // RFC 9396 §9
	Act                  *Actor                // who acts for the user, RFC 8693 §4.1; nil if the token has no act
	Cnf                  Confirmation          // the key or certificate that the token is bound to

	payload    []byte
	origin     origin
	status     *statusReference // the token's entry in a status list; nil if the token has no claim status
	sri        string           // pi.sri, the session at PingFederate
	unreadable claimSet         // informational claims that have the wrong JSON type
}

// origin is what verified the token. A [Cache] uses it to decide how long the Principal is
// valid.
type origin struct {
	keys  keyHolder // the key set and the key that verified a JWT
	key   *jose.Key
	asked bool // the server was asked about the token

	forwarded bool // a load balancer wrote the claims for this request; they have no iat
}

// HasScope reports whether the scope was granted. Scopes are compared byte for byte.
func (p *Principal) HasScope(scope string) bool { return slices.Contains(p.Scopes, scope) }

// Claims decodes the token's claims, or the introspection response, into v. Member names must
// match exactly. It returns an error if v cannot hold the claims.
func (p *Principal) Claims(v any) error { return jose.Decode(p.payload, v, jose.TokenLimits) }

// LogValue implements slog.LogValuer. It logs issuer, subject, client and scopes, and no other
// claim. Unusual text is quoted.
func (p *Principal) LogValue() slog.Value {
	return slog.GroupValue(
		slog.String("iss", clean(p.Issuer)), slog.String("sub", clean(p.Subject)),
		slog.String("client_id", clean(p.ClientID)), slog.String("scope", clean(strings.Join(p.Scopes, " "))))
}

// clean returns plain text unchanged and quotes everything else.
func clean(s string) string {
	if q := jose.Quote(s); q != `"`+s+`"` {
		return q
	}
	return s
}

// finish builds the Principal from checked claims.
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

// addDetails reads the claims that are JSON objects. Only cnf limits who may use the token, so
// only an unreadable cnf rejects it.
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

// requestContext is the context of a request behind a [Protection]. All its values share one
// allocation.
type requestContext struct {
	context.Context
	protection *Protection
	request    *http.Request
	principal  *Principal // nil while the token is checked, and for a request without a token
}

type contextKey struct{}

// Value implements context.Context.
func (c *requestContext) Value(key any) any {
	if _, ok := key.(contextKey); ok {
		return c
	}
	return c.Context.Value(key)
}

// FromContext returns the Principal that [Protection.Handler] put into the request's context.
// It returns false if the request did not pass through a Protection, or had no token (see
// Protection.Optional).
func FromContext(ctx context.Context) (*Principal, bool) {
	c, ok := ctx.Value(contextKey{}).(*requestContext)
	if !ok || c.principal == nil {
		return nil, false
	}
	return c.principal, true
}

// requestOf returns the request whose token is being checked, or nil.
func requestOf(ctx context.Context) *http.Request {
	if c, ok := ctx.Value(contextKey{}).(*requestContext); ok {
		return c.request
	}
	return nil
}

// protectionOf returns the Protection that a guard is behind.
func protectionOf(r *http.Request) (*Protection, bool) {
	if c, ok := r.Context().Value(contextKey{}).(*requestContext); ok {
		return c.protection, true
	}
	return &Protection{}, false
}
