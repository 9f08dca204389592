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

// Tenants that are decided about at run time.

const (
	maxTenants  = 10_000
	tenantsKept = time.Minute
)

// uuid is the form of a tenant ID of Entra ID.
var uuid = regexp.MustCompile(`^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$`)

// mayAccept tells whether a token of that tenant can be accepted at all. The function is
// asked later, once the signature is right: nobody else causes a call.
func (v *Verifier) mayAccept(tenant string) bool {
	return slices.Contains(v.Tenants, tenant) || v.AcceptTenant != nil && uuid.MatchString(tenant)
}

// acceptTenant asks the function about a tenant that is not listed.
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

// tenantCache holds what the function answered. The zero value is ready.
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
