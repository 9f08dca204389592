package rs

import (
	"context"
	"errors"
)

// Verifier tells whether an access token is good here, and whose it is. [JWT],
// [Introspection], [Issuers], [JWTOrOpaque] and [Cache] are Verifiers. An error with a
// method Temporary() bool that is true means that it could not tell. A verifier of
// the application's own that knows what a token is bound to says so in the
// Principal's Cnf; the [Protection] enforces it.
type Verifier interface {
	VerifyToken(ctx context.Context, token string) (*Principal, error)
}

// binder is a Verifier of this package: its verify leaves it to the caller to check
// what the token is bound to.
type binder interface {
	verify(ctx context.Context, token string) (*Principal, error)
}

func verify(ctx context.Context, v Verifier, token string) (*Principal, error) {
	if b, ok := v.(binder); ok {
		return b.verify(ctx, token)
	}
	p, err := v.VerifyToken(ctx, token)
	if p == nil && err == nil {
		err = &unavailable{errors.New("the Verifier gave neither a Principal nor an error")}
	}
	return p, err
}

// errBound refuses sender-constrained tokens: whoever stole one could use it.
var errBound = errors.New("the token is bound to a key (cnf), which this request does not prove")

func unbound(p *Principal, err error) (*Principal, error) {
	if err == nil && !p.Cnf.IsZero() {
		return nil, errBound
	}
	return p, err
}
