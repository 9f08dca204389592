package rs

import (
	"fmt"
	"strings"

	"github.com/countersign/countersign/discovery"
)

// The presets return the fixed properties of a server's access tokens. Set Audience, and change
// what the server's administrator has changed. No other code in this package depends on the
// product.

// rfc9068 is the typ of a server that follows RFC 9068 or changes to it.
const rfc9068 = "at+jwt"

// of returns the preset for tokens that do not follow RFC 9068 yet.
func of(issuer, typ string, otherTyps ...string) *JWT {
	return &JWT{Issuer: issuer, Keys: keysOf(issuer, ""), Typ: typ, OtherTyps: append(otherTyps, rfc9068)}
}

func keysOf(issuer, url string) KeySet {
	return (&discovery.Provider{Issuer: issuer, URL: url}).Keys()
}

// Keycloak returns a [JWT] for a realm on a Keycloak server. base is for example
// "https://sso.example". Add an audience mapper to the client and set Audience to its value:
// without a mapper, aud is "account". Tokens that are bound by DPoP have "DPoP" in the claim typ:
// set Claims for them.
func Keycloak(base, realm string) *JWT {
	j := of(strings.TrimSuffix(base, "/")+"/realms/"+realm, "JWT")
	j.Claims, j.ClientIDClaim = map[string]string{"typ": "Bearer"}, "azp"
	return j
}

const (
	entraHost   = "https://login.microsoftonline.com/"
	entraV1Host = "https://sts.windows.net/"
)

// Entra returns a [JWT] for one tenant of Microsoft Entra ID. It is for an API registration with
// requestedAccessTokenVersion 2. Set Audience to the API's application ID.
func Entra(tenantID string) *JWT {
	j := of(entraHost+tenantID+"/v2.0", "JWT")
	j.ClientIDClaim, j.ScopeClaim = "azp", "scp"
	return j
}

// checkEntraIssuer rejects issuers that no token has, and names the preset for several tenants.
func checkEntraIssuer(issuer string) error {
	tenant, ok := strings.CutPrefix(issuer, entraHost)
	if !ok {
		return nil
	}
	switch tenant, _, _ = strings.Cut(tenant, "/"); tenant {
	case "common", "organizations", "consumers":
		return fmt.Errorf("%q is not a tenant of Microsoft Entra ID: use EntraTenants with the tenants' IDs, or DynamicIssuers for any tenant", tenant)
	}
	return nil
}

// EntraV1 returns a [JWT] for one tenant of Microsoft Entra ID. It is for an API registration whose
// requestedAccessTokenVersion is 1 or not set. Set Audience to the API's application ID URI, such
// as "api://…".
func EntraV1(tenantID string) *JWT {
	j := of(entraV1Host+tenantID+"/", "JWT")
	j.Keys = keysOf(j.Issuer, entraHost+tenantID+"/.well-known/openid-configuration")
	j.ClientIDClaim, j.ScopeClaim = "appid", "scp"
	return j
}

// EntraTenants returns a [JWT] for tokens of several tenants, like [Entra].
func EntraTenants(tenantIDs ...string) *JWT {
	j := Entra(tenantMark)
	j.Keys = keysOf(j.Issuer, entraHost+"organizations/v2.0/.well-known/openid-configuration")
	j.Tenants = tenantIDs
	return j
}

// Okta returns a [JWT] for a custom authorization server of an Okta organization. serverID is for
// example "default". Access tokens of the organization's own authorization server are only for
// Okta's APIs.
func Okta(domain, serverID string) *JWT {
	j := of("https://"+domain+"/oauth2/"+serverID, NoTyp, "JWT")
	j.ClientIDClaim, j.ScopeClaim = "cid", "scp"
	return j
}

// Auth0 returns a [JWT] for an Auth0 tenant, by its domain. It accepts both access token profiles.
// Set Audience to the API's identifier. The client must send it as the parameter audience.
func Auth0(domain string) *JWT {
	j := of("https://"+domain+"/", "JWT")
	j.ClientIDClaim = "azp"
	return j
}

// Cognito returns a [JWT] for an Amazon Cognito user pool. Its access tokens have no aud: set
// AudienceClients instead of Audience.
func Cognito(region, poolID string) *JWT {
	j := of("https://cognito-idp."+region+".amazonaws.com/"+poolID, NoTyp)
	j.Claims = map[string]string{"token_use": "access"}
	return j
}

// PingFederate returns a [JWT] for a PingFederate server. issuer is the value that its administrator
// set, with the port if it is not 443. Configure the access token manager to write iss and aud: by
// default it writes neither.
func PingFederate(issuer string) *JWT { return of(issuer, NoTyp, "JWT") }

// PingOne returns a [JWT] for a PingOne environment. domain is the domain of the region, such as
// "auth.pingone.eu", or a custom domain. Set Audience to the audience of the custom resource.
func PingOne(domain, environmentID string) *JWT {
	return of("https://"+domain+"/"+environmentID+"/as", NoTyp, "JWT")
}

// PingOneAdvancedIdentityCloud returns a [JWT] for a realm in a tenant of PingOne Advanced Identity
// Cloud. It is for clients with client-side (JWT) tokens. The tenant writes its issuer with the
// port. Set Audience to the client ID, unless the token modification script sets aud.
func PingOneAdvancedIdentityCloud(host, realm string) *JWT {
	path := "/am/oauth2/realms/root/realms/" + realm
	j := of("https://"+host+":443"+path, "JWT", NoTyp)
	j.Keys = keysOf(j.Issuer, "https://"+host+path+"/.well-known/openid-configuration")
	j.Claims = map[string]string{"tokenName": "access_token"}
	return j
}

// Cloudentity returns a [JWT] for a workspace in a Cloudentity tenant.
func Cloudentity(tenant, region, workspace string) *JWT {
	j := of("https://"+tenant+"."+region+".authz.cloudentity.io/"+tenant+"/"+workspace, NoTyp, "JWT")
	j.ScopeClaim = "scp"
	return j
}
