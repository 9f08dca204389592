package client

import "strings"

// everyTenant are the names by which Microsoft Entra ID offers sign-in to the users of many
// tenants. No token is issued by them, so none of them is an issuer.
var everyTenant = []string{"common", "organizations", "consumers"}

// checkTenants: Tenants and AcceptTenant go with an Issuer that has {tenantid} in it.
func (c *Config) checkTenants(w *complaints) {
	if c.hasTenants() != strings.Contains(c.Issuer, "{tenantid}") {
		w.add(true, "Tenants or AcceptTenant are for an Issuer with {tenantid}, and one of them is needed there")
	}
	for _, name := range everyTenant {
		w.add(strings.HasSuffix(strings.TrimSuffix(c.Issuer, "/v2.0"), "/"+name), "Issuer names %q, which is not a tenant of Entra ID: use EntraTenants, with the IDs of the tenants or with AcceptTenant", name)
		for _, tenant := range c.Tenants {
			w.add(tenant == name, "Tenants has %q, which is not the ID of a tenant: list the IDs, or set AcceptTenant", name)
		}
	}
	for _, tenant := range c.Tenants {
		w.add(tenant == "", "Tenants has an empty ID")
	}
}

func (c *Config) hasTenants() bool { return len(c.Tenants) > 0 || c.AcceptTenant != nil }
