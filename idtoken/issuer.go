package idtoken

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/countersign/countersign/internal/jose"
)

// tenantMark is the placeholder for the tenant in the issuer of Entra ID's metadata.
const tenantMark = "{tenantid}"

func (v *Verifier) manyTenants() bool { return strings.Contains(v.Issuer, tenantMark) }

// checkTenants returns an error unless tenants are configured exactly when the issuer has the
// placeholder.
func (v *Verifier) checkTenants() error {
	if v.manyTenants() != (len(v.Tenants) > 0 || v.AcceptTenant != nil) || slices.Contains(v.Tenants, "") {
		return errors.New("Verifier.Tenants or Verifier.AcceptTenant must be set if Verifier.Issuer contains {tenantid}, and only then")
	}
	return nil
}

// issuer is the first half of step 2. iss must be exactly equal to the configured issuer, to
// its alias, or to the template with an allowed tenant.
func (c *check) issuer() {
	iss := c.claims.Issuer
	ok := iss == c.v.Issuer || c.v.IssuerAlias != "" && iss == c.v.IssuerAlias
	if c.v.manyTenants() {
		ok = c.v.mayAccept(c.claims.TenantID.value) && iss == strings.Replace(c.v.Issuer, tenantMark, c.claims.TenantID.value, 1)
	}
	switch {
	case iss == "":
		c.report.fail(stepIssuer, fmt.Errorf("iss is missing, expected %s", jose.Quote(c.v.Issuer)))
		return
	case !ok && c.v.manyTenants():
		c.report.fail(stepIssuer, fmt.Errorf("iss is %s and tid is %s, expected %s with a tenant that Tenants or AcceptTenant accepts: add the tenant if you trust it", jose.Quote(iss), jose.Quote(c.claims.TenantID.value), jose.Quote(c.v.Issuer)))
		return
	case !ok:
		c.report.fail(stepIssuer, fmt.Errorf("iss is %s, expected %s: correct Issuer, or set IssuerAlias for a server that uses two names", jose.Quote(iss), jose.Quote(c.v.Issuer)))
		return
	}
	c.report.valid(stepIssuer)
}

// keyIssuer checks that the key may sign for the token's tenant. The keys of all tenants are
// in one set, and the key of one tenant must not sign for another.
func (c *check) keyIssuer() error {
	if !c.v.manyTenants() {
		return nil
	}
	key := c.jws.Key()
	if key == nil || key.Issuer != c.v.Issuer && key.Issuer != c.claims.Issuer {
		return errors.New("the signing key does not belong to the tenant of the token (tid)")
	}
	return c.v.acceptTenant(c.ctx, c.claims.TenantID.value)
}
