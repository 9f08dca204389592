package rs

import (
	"context"
	"errors"
	"strings"
)

// Either is for a server that issues JWTs and opaque tokens. A token that has the
// form of a JWT is verified as one, any other by Opaque; one that fails is never
// tried the other way. Both must be set.
type Either struct {
	JWT    Verifier // for tokens that are JWTs; a *JWT
	Opaque Verifier // for all others; an *Introspection
}

// VerifyToken implements [Verifier].
func (e *Either) VerifyToken(ctx context.Context, token string) (*Principal, error) {
	return unbound(e.verify(ctx, token))
}

func (e *Either) verify(ctx context.Context, token string) (*Principal, error) {
	if err := e.configured(); err != nil {
		return nil, &unavailable{err}
	}
	if isJWT(token) {
		return verify(ctx, e.JWT, token)
	}
	return verify(ctx, e.Opaque, token)
}

func (e *Either) configured() error {
	if e == nil || e.JWT == nil || e.Opaque == nil {
		return errors.New("an Either, its JWT or its Opaque is nil")
	}
	return nil
}

// isJWT looks at the form alone: three parts, the first of which begins like the
// JSON object that a header is.
func isJWT(token string) bool {
	return strings.Count(token, ".") == 2 && strings.HasPrefix(token, "ey")
}
