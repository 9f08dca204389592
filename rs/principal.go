package rs

import (
	"context"
	"slices"
	"time"

	"github.com/countersign/countersign/internal/jose"
)

// Principal is who sent a request, and what they may do: the content of an
// access token that passed. A user is the pair of Issuer and Subject.
type Principal struct {
	Issuer   string
	Subject  string // the user; of a client that acts for itself often the client ID
	ClientID string
	Scopes   []string // those granted; none if the token names none
	Audience []string
	Expiry   time.Time
	IssuedAt time.Time // zero when the token does not say

	payload []byte
}

// HasScope tells whether the scope was granted; scopes are compared to the letter.
func (p *Principal) HasScope(scope string) bool { return slices.Contains(p.Scopes, scope) }

// Claims decodes the token's claims, or the introspection answer, into v by exact names.
func (p *Principal) Claims(v any) error { return jose.Decode(p.payload, v, jose.TokenLimits) }

type contextKey struct{}

// FromContext gives the Principal that [Protection.Handler] put into a request's
// context; false when the request did not come through one.
func FromContext(ctx context.Context) (*Principal, bool) {
	p, ok := ctx.Value(contextKey{}).(*Principal)
	return p, ok
}

func withPrincipal(ctx context.Context, p *Principal) context.Context {
	return context.WithValue(ctx, contextKey{}, p)
}
