package rs

import (
	"context"
	"errors"
)

// Verifier verifies an access token and returns its Principal. [JWT], [Introspection], [Issuers],
// [DynamicIssuers], [JWTOrOpaque], [IDToken], [AWSLoadBalancer], [PingValidateBearer] and [Cache]
// implement it. An error with a method Temporary() bool that returns true means that the Verifier
// could not decide; the request is answered with 503. Every other error rejects the token.
//
// An application can implement it. If its tokens are bound to a key or certificate, it must set
// Principal.Cnf; the [Protection] then requires the proof.
type Verifier interface {
	VerifyToken(ctx context.Context, token string) (*Principal, error)
}

// binder is a Verifier of this package whose method verify leaves the check of the token's
// binding to the caller.
type binder interface {
	verify(ctx context.Context, token string) (*Principal, error)
}

func verify(ctx context.Context, v Verifier, token string) (*Principal, error) {
	if b, ok := v.(binder); ok {
		return b.verify(ctx, token)
	}
	p, err := v.VerifyToken(ctx, token)
	if p == nil && err == nil {
		err = &unavailable{errors.New("the Verifier returned neither a Principal nor an error")}
	}
	return p, err
}

// errBound rejects sender-constrained tokens without proof: they may be stolen.
var errBound = errors.New("the token is bound to a key or certificate (cnf), and the request does not prove possession of it")

func unbound(p *Principal, err error) (*Principal, error) {
	if err == nil && !p.Cnf.IsZero() {
		return nil, errBound
	}
	return p, err
}
