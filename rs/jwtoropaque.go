package rs

import (
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/countersign/countersign/internal/jose"
)

// JWTOrOpaque is for a server that issues JWTs and opaque tokens. A token that has the
// form of a JWT is verified as one, and so is an encrypted one if JWT has keys for that; any
// other by Opaque. One that fails is never tried the other way. Both must be set.
type JWTOrOpaque struct {
	JWT    Verifier // for tokens that are JWTs; a *JWT
	Opaque Verifier // for all others; an *Introspection
}

// VerifyToken implements [Verifier].
func (e *JWTOrOpaque) VerifyToken(ctx context.Context, token string) (*Principal, error) {
	return unbound(e.verify(ctx, token))
}

func (e *JWTOrOpaque) verify(ctx context.Context, token string) (*Principal, error) {
	if err := e.configured(); err != nil {
		return nil, &unavailable{err}
	}
	if e.isJWT(token) {
		return verify(ctx, e.JWT, token)
	}
	return verify(ctx, e.Opaque, token)
}

func (e *JWTOrOpaque) configured() error {
	if e == nil || e.JWT == nil || e.Opaque == nil {
		return errors.New("an JWTOrOpaque, its JWT or its Opaque is nil")
	}
	return nil
}

// isJWT looks at the form alone: three parts, or five if encryption was agreed on, the
// first of which begins like the JSON object that a header is. What is encrypted, and not
// to this API, is opaque.
func (e *JWTOrOpaque) isJWT(token string) bool {
	if !strings.HasPrefix(token, "ey") {
		return false
	}
	return strings.Count(token, ".") == 2 || jose.IsEncrypted(token) && decrypts(e.JWT)
}

// decrypts tells whether v has keys to decrypt with.
func decrypts(v Verifier) bool {
	switch v := v.(type) {
	case *JWT:
		return v != nil && len(v.DecryptionKeys) > 0
	case Issuers:
		return slices.ContainsFunc(v, func(j *JWT) bool { return decrypts(j) })
	case *Cache:
		return v != nil && decrypts(v.Tokens)
	}
	return false
}
