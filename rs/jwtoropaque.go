package rs

import (
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/countersign/countersign/internal/jose"
)

// JWTOrOpaque is for a server that issues JWTs and opaque tokens. A token in the form of a JWT is
// verified by JWT. An encrypted token is also verified by JWT if JWT has decryption keys. Every
// other token is verified by Opaque. A token that one of them rejects is not passed to the other.
// Both fields must be set. It is safe for concurrent use after the fields are set.
type JWTOrOpaque struct {
	JWT    Verifier // for JWTs: a *JWT
	Opaque Verifier // for all other tokens: an *Introspection
}

// VerifyToken implements [Verifier]. It returns the errors of the chosen Verifier: 401
// invalid_token for a token that is rejected, and 503 if the token cannot be verified now. It is
// 429 if the client must wait (see Limit), and 503 if JWT or Opaque is nil.
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
		return errors.New("JWTOrOpaque.JWT or JWTOrOpaque.Opaque is nil: set both")
	}
	return nil
}

// isJWT checks only the form: three parts (or five if JWT has decryption keys), and a first part
// that starts like a JSON object. A token that is encrypted to another key is opaque.
func (e *JWTOrOpaque) isJWT(token string) bool {
	if !strings.HasPrefix(token, "ey") {
		return false
	}
	return strings.Count(token, ".") == 2 || jose.IsEncrypted(token) && decrypts(e.JWT)
}

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
