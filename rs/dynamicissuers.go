package rs

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/countersign/countersign/internal/jose"
)

const (
	defaultDecisions   = 1000
	defaultDecisionAge = 5 * time.Minute
	maxIssuer          = 2048
)

// DynamicIssuers is for APIs that decide at run time which issuers or tenants they accept, such as
// a product that any organization can join. Find decides by the token's iss. The Verifier that Find
// returned then verifies the token. Find must be set; otherwise every request is answered with 503.
// It is safe for concurrent use after the fields are set.
//
// A [Cache] in front of it does not call Find again for a known token. Call Cache.InvalidateIf
// when an organization leaves.
type DynamicIssuers struct {
	// Find returns the Verifier for an issuer's tokens, a [JWT] or an [IDToken]. nil means that
	// the issuer is rejected. An error means that Find could not decide, and the request is
	// answered with 503.
	//
	// issuer comes from an unverified token: compare it with a list, and do not fetch from it.
	// If customers configure the issuer, set UntrustedIssuer of its discovery.Provider.
	//
	// Return the same *JWT for an issuer each time if you can. A new one fetches its keys
	// again.
	Find func(ctx context.Context, issuer string) (Verifier, error)

	// Size is how many decisions are remembered, separately for accepted and rejected issuers.
	// 0 means 1,000.
	Size int

	// MaxAge is how long a decision is used. 0 means 5 minutes; at most 1 hour.
	MaxAge time.Duration

	// Limit and MaxCalls limit the calls of Find, as in [Introspection].
	Limit    func(*http.Request) (wait time.Duration)
	MaxCalls int

	// Now is the clock. nil means time.Now.
	Now func() time.Time

	accepted, rejected decisions
	forgotten          atomic.Uint64 // calls of Forget
	underWay           int32         // calls; atomic
}

// decisions are kept in two generations, which bounds their number.
type decisions struct {
	mu         sync.RWMutex
	young, old map[string]decision
}

type decision struct {
	v     Verifier
	since time.Time
}

// VerifyToken implements [Verifier]. A [Protection] answers 401 invalid_token for an issuer
// that Find does not accept, and for a token that its Verifier rejects. It answers 429 if Limit
// asks the client to wait. It answers 503 if a setting is missing, MaxCalls is reached, Find
// fails, or Find returned the Verifier of another issuer.
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
		return nil, errors.New("iss is too long, expected at most 2,048 bytes")
	}
	v, err := d.find(ctx, iss)
	if err != nil {
		return nil, err
	}
	if v == nil {
		return nil, fmt.Errorf("iss is %s, and DynamicIssuers.Find does not accept it", jose.Quote(iss))
	}
	return d.verifyWith(ctx, v, iss, token)
}

// verifyWith also checks that the Verifier belongs to the issuer.
func (d *DynamicIssuers) verifyWith(ctx context.Context, v Verifier, iss, token string) (*Principal, error) {
	p, err := verify(ctx, v, token)
	if err != nil {
		return nil, err
	}
	if p.Issuer != iss {
		return nil, &unavailable{fmt.Errorf("DynamicIssuers.Find returned the Verifier of issuer %s for issuer %s", jose.Quote(p.Issuer), jose.Quote(iss))}
	}
	return p, nil
}

// find returns a remembered decision, or calls Find.
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
	forgotten := d.forgotten.Load()
	v, err := d.Find(ctx, iss)
	remember := func(where *decisions) {
		where.put(iss, decision{v, at}, d.size(), func() bool { return d.forgotten.Load() == forgotten })
	}
	switch {
	case err != nil:
		return nil, &unavailable{fmt.Errorf("DynamicIssuers.Find: %w", err)}
	case v == nil:
		remember(&d.rejected)
	default:
		remember(&d.accepted)
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

// put keeps a decision, unless current says that it may be from before a call of Forget.
func (d *decisions) put(iss string, made decision, size int, current func() bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if !current() {
		return
	}
	if d.young == nil || len(d.young) >= max(1, size/2) {
		d.old, d.young = d.young, map[string]decision{}
	}
	d.young[iss] = made
}

// Forget removes the decision about an issuer, for example after an administrator changed it. A
// decision that a running call of Find returns is not remembered either.
func (d *DynamicIssuers) Forget(issuer string) {
	d.forgotten.Add(1)
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
		return errors.New("the *DynamicIssuers is nil")
	case d.Find == nil:
		return errors.New("DynamicIssuers.Find is nil: set it to a function that returns the Verifier of an issuer")
	case d.Size < 0:
		return errors.New("DynamicIssuers.Size is negative, expected 0 or more")
	case d.MaxAge < 0 || d.MaxAge > maxMaxAge:
		return fmt.Errorf("DynamicIssuers.MaxAge is %s, expected 0 to %s", jose.Duration(d.MaxAge), jose.Duration(maxMaxAge))
	}
	return checkMaxCalls("DynamicIssuers.MaxCalls", d.MaxCalls)
}

// Ready is [Protection.Ready] for this part only. It checks the settings only, and an error names
// the wrong one: issuers are not known before a token arrives.
func (d *DynamicIssuers) Ready(context.Context) error { return d.configured() }
