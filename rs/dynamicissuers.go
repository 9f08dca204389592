package rs

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"time"

	"github.com/countersign/countersign/internal/jose"
)

const (
	defaultDecisions   = 1000
	defaultDecisionAge = 5 * time.Minute
	maxIssuer          = 2048
)

// DynamicIssuers is for APIs whose issuers or tenants are decided at run time, such as a
// product that any organization can join. Find decides by the token's iss; the token is
// then verified by the Verifier that Find returned, and by no other. Find must be set;
// without it every token is rejected.
//
// A [Cache] before it does not ask Find again for a token that it knows: call
// Cache.InvalidateIf when an organization leaves.
type DynamicIssuers struct {
	// Find returns the Verifier for an issuer's tokens, a [JWT] or an [IDToken]; nil means
	// that the issuer is not accepted. An error means that Find could not decide, and the
	// request is answered with 503. issuer is what a token says that nobody has verified:
	// compare it with a list, and do not call it. If customers configure the issuer, set
	// UntrustedIssuer of its discovery.Provider.
	//
	// Return the same *JWT for an issuer where you can: a new one fetches its keys again.
	Find func(ctx context.Context, issuer string) (Verifier, error)

	// Size is how many decisions are remembered, accepted and rejected issuers each. 0
	// means 1,000.
	Size int

	// MaxAge is how long a decision is used. 0 means 5 minutes; at most an hour.
	MaxAge time.Duration

	// Limit and MaxCalls bound the calls of Find, as those of [Introspection] bound the
	// calls to the server.
	Limit    func(*http.Request) (wait time.Duration)
	MaxCalls int

	// Now is the clock. nil means time.Now.
	Now func() time.Time

	accepted, rejected decisions
	underWay           int32 // calls; atomic
}

// decisions are remembered in two generations, so that their number is bounded.
type decisions struct {
	mu         sync.RWMutex
	young, old map[string]decision
}

type decision struct {
	v     Verifier
	since time.Time
}

// VerifyToken implements [Verifier].
func (d *DynamicIssuers) VerifyToken(ctx context.Context, token string) (*Principal, error) {
	return unbound(d.verify(ctx, token))
}

func (d *DynamicIssuers) verify(ctx context.Context, token string) (*Principal, error) {
	if err := d.configured(); err != nil {
		return nil, &unavailable{err}
	}
	t, err := jose.Parse(token, jose.MaxSize)
	if err != nil {
		return nil, err
	}
	iss, err := issuerOf(t.Payload)
	switch {
	case err != nil:
		return nil, fmt.Errorf("claims: %w", err)
	case iss == "":
		return nil, errors.New("iss is missing")
	case len(iss) > maxIssuer:
		return nil, errors.New("iss is longer than 2,048 bytes")
	}
	v, err := d.find(ctx, iss)
	if err != nil {
		return nil, err
	}
	if v == nil {
		return nil, fmt.Errorf("iss is %s, which DynamicIssuers.Find does not accept", jose.Quote(iss))
	}
	return d.verifyWith(ctx, v, iss, token)
}

// verifyWith makes sure that the Verifier is that of the issuer.
func (d *DynamicIssuers) verifyWith(ctx context.Context, v Verifier, iss, token string) (*Principal, error) {
	p, err := verify(ctx, v, token)
	if err != nil {
		return nil, err
	}
	if p.Issuer != iss {
		return nil, &unavailable{fmt.Errorf("DynamicIssuers.Find returned the Verifier of %s for %s", jose.Quote(p.Issuer), jose.Quote(iss))}
	}
	return p, nil
}

// find gives the decision that is remembered, or asks Find.
func (d *DynamicIssuers) find(ctx context.Context, iss string) (Verifier, error) {
	at := now(d.Now)
	if v, ok := d.accepted.get(iss, at, d.maxAge()); ok {
		return v, nil
	}
	if _, ok := d.rejected.get(iss, at, d.maxAge()); ok {
		return nil, nil
	}
	g := gate{d.Limit, d.MaxCalls, &d.underWay}
	if err := g.enter(ctx); err != nil {
		return nil, err
	}
	defer g.leave()
	v, err := d.Find(ctx, iss)
	switch {
	case err != nil:
		return nil, &unavailable{fmt.Errorf("DynamicIssuers.Find: %w", err)}
	case v == nil:
		d.rejected.put(iss, decision{nil, at}, d.size())
	default:
		d.accepted.put(iss, decision{v, at}, d.size())
	}
	return v, nil
}

func (d *decisions) get(iss string, at time.Time, maxAge time.Duration) (Verifier, bool) {
	d.mu.RLock()
	defer d.mu.RUnlock()
	known, ok := d.young[iss]
	if !ok {
		known, ok = d.old[iss]
	}
	age := at.Sub(known.since)
	return known.v, ok && age >= 0 && age < maxAge
}

func (d *decisions) put(iss string, made decision, size int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.young == nil || len(d.young) >= max(1, size/2) {
		d.old, d.young = d.young, map[string]decision{}
	}
	d.young[iss] = made
}

// Forget forgets the decision about an issuer, such as one that has just been accepted or
// rejected by an administrator.
func (d *DynamicIssuers) Forget(issuer string) {
	for _, all := range []*decisions{&d.accepted, &d.rejected} {
		all.mu.Lock()
		delete(all.young, issuer)
		delete(all.old, issuer)
		all.mu.Unlock()
	}
}

func (d *DynamicIssuers) size() int {
	if d.Size == 0 {
		return defaultDecisions
	}
	return d.Size
}

func (d *DynamicIssuers) maxAge() time.Duration {
	if d.MaxAge == 0 {
		return defaultDecisionAge
	}
	return d.MaxAge
}

func (d *DynamicIssuers) configured() error {
	switch {
	case d == nil:
		return errors.New("a *DynamicIssuers that is nil")
	case d.Find == nil:
		return errors.New("DynamicIssuers.Find is nil")
	case d.Size < 0:
		return errors.New("DynamicIssuers.Size is below 0")
	case d.MaxAge < 0 || d.MaxAge > maxMaxAge:
		return fmt.Errorf("DynamicIssuers.MaxAge is %v, expected 0 to %v", d.MaxAge, maxMaxAge)
	}
	return checkMaxCalls("DynamicIssuers.MaxCalls", d.MaxCalls)
}

// Ready is [Protection.Ready] for this part alone. The issuers are not known before their
// tokens come.
func (d *DynamicIssuers) Ready(context.Context) error { return d.configured() }
