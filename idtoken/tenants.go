package idtoken

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"sync"
	"time"

	"github.com/countersign/countersign/internal/jose"
)

// AcceptTenant decides about tenants at run time.

const (
	maxTenants  = 10_000
	tenantsKept = time.Minute
)

// uuid matches a tenant ID of Entra ID.
var uuid = regexp.MustCompile(`^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$`)

// mayAccept reports whether a token of that tenant can be accepted at all. AcceptTenant is
// called later, after the signature steps, so that forged tokens cause no call.
func (v *Verifier) mayAccept(tenant string) bool {
	return slices.Contains(v.Tenants, tenant) || v.AcceptTenant != nil && uuid.MatchString(tenant)
}

// acceptTenant calls AcceptTenant for a tenant that Tenants does not list.
func (v *Verifier) acceptTenant(ctx context.Context, tenant string) error {
	if !v.manyTenants() || slices.Contains(v.Tenants, tenant) {
		return nil
	}
	ok, known := v.tenants.get(tenant, v.now())
	if !known {
		var err error
		if ok, err = v.AcceptTenant(ctx, tenant); err != nil {
			return fmt.Errorf("Verifier.AcceptTenant: %w", err)
		}
		v.tenants.keep(tenant, ok, v.now())
	}
	if !ok {
		return errors.New("Verifier.AcceptTenant rejects the tenant " + jose.Quote(tenant))
	}
	return nil
}

// tenantCache holds the results of AcceptTenant. The zero value is ready to use.
type tenantCache struct {
	mu      sync.Mutex
	answers map[string]tenantAnswer
}

type tenantAnswer struct {
	ok    bool
	until time.Time
}

func (c *tenantCache) get(tenant string, now time.Time) (ok, known bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	a, known := c.answers[tenant]
	return a.ok, known && now.Before(a.until)
}

func (c *tenantCache) keep(tenant string, ok bool, now time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.answers) >= maxTenants || c.answers == nil {
		c.answers = map[string]tenantAnswer{}
	}
	c.answers[tenant] = tenantAnswer{ok, now.Add(tenantsKept)}
}
