package rs

import (
	"context"
	"errors"
)

type readier interface {
	Ready(ctx context.Context) error
}

// Ready reports an error if the Protection cannot verify tokens now. The error names the
// setting that is missing or wrong. It is a [*discovery.Error] if the keys or the metadata of a
// server cannot be fetched. Ready may call the servers once. Use it for a readiness probe. An
// API that is not ready answers with 503 and recovers without a restart.
func (p *Protection) Ready(ctx context.Context) error {
	if p.Tokens == nil {
		return errors.New("Protection.Tokens is nil: set it to a Verifier, such as *rs.JWT")
	}
	if p.DPoP != nil {
		if err := p.DPoP.configured(); err != nil {
			return err
		}
	}
	if err := p.MTLS.configured(); err != nil {
		return err
	}
	for _, check := range p.Revocation {
		if err := ready(ctx, check); err != nil {
			return err
		}
	}
	return ready(ctx, p.Tokens)
}

// ready treats a part without a Ready method as ready.
func ready(ctx context.Context, part any) error {
	if r, ok := part.(readier); ok {
		return r.Ready(ctx)
	}
	return nil
}

// Ready is [Protection.Ready] for this part only, with the same errors.
func (j *JWT) Ready(ctx context.Context) error {
	if err := j.configured(); err != nil {
		return err
	}
	if err := checkEntraIssuer(j.Issuer); err != nil {
		return err
	}
	return ready(ctx, j.Keys)
}

// Ready is [Protection.Ready] for this part only, with the same errors. It is also an error if two
// of them have one Issuer.
func (is Issuers) Ready(ctx context.Context) error {
	if err := is.configured(); err != nil {
		return err
	}
	if err := is.checkUnique(); err != nil {
		return err
	}
	for _, j := range is {
		if err := j.Ready(ctx); err != nil {
			return err
		}
	}
	return nil
}

// Ready is [Protection.Ready] for this part only, with the same errors.
func (i *Introspection) Ready(ctx context.Context) error {
	if err := i.configured(); err != nil {
		return err
	}
	if _, _, err := i.endpoint(ctx); err != nil {
		return err
	}
	if i.Signed != nil {
		return ready(ctx, i.Signed.Keys)
	}
	return nil
}

// Ready is [Protection.Ready] for this part only. It sends no request: an error names the missing
// setting.
func (v *PingValidateBearer) Ready(context.Context) error { return v.configured() }

// Ready is [Protection.Ready] for this part only, with the same errors.
func (e *JWTOrOpaque) Ready(ctx context.Context) error {
	if err := e.configured(); err != nil {
		return err
	}
	if err := ready(ctx, e.JWT); err != nil {
		return err
	}
	return ready(ctx, e.Opaque)
}

// Ready is [Protection.Ready] for this part only, with the same errors.
func (c *Cache) Ready(ctx context.Context) error {
	if err := c.configured(); err != nil {
		return err
	}
	return ready(ctx, c.Tokens)
}
