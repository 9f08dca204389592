package rs

import (
	"fmt"
	"strings"

	"github.com/countersign/countersign/discovery"
)

// The presets are what is fixed about the access tokens of a server, as plain values. Add
// Audience, and change what the server's administrator has changed. Nothing else in this
// package knows a server by its name.

// rfc9068 is the typ of a server that follows RFC 9068, or moves to it.
const rfc9068 = "at+jwt"

// of is the preset of tokens that do not follow RFC 9068, or not yet.
func of(issuer, typ string, otherTyps ...string) *JWT {
	return &JWT{Issuer: issuer, Keys: keysOf(issuer, ""), Typ: typ, OtherTyps: append(otherTyps, rfc9068)}
}

func keysOf(issuer, url string) KeySet {
	return (&discovery.Provider{Issuer: issuer, URL: url}).Keys()
}

// Keycloak is a realm of a Keycloak server, such as "https://sso.example". Audience is what
// an audience mapper of the client writes: without one aud is "account". Tokens that are
// bound by DPoP have "DPoP" in the claim typ: set Claims for them.
func Keycloak(base, realm string) *JWT {
	j := of(strings.TrimSuffix(base, "/")+"/realms/"+realm, "JWT")
	j.Claims, j.ClientIDClaim = map[string]string{"typ": "Bearer"}, "azp"
	return j
}

const (
	entraHost   = "https://login.microsoftonline.com/"
	entraV1Host = "https://sts.windows.net/"
)

// Entra is one tenant of Microsoft Entra ID, for an API whose registration has
// requestedAccessTokenVersion 2. Audience is the API's application ID.
func Entra(tenantID string) *JWT {
	j := of(entraHost+tenantID+"/v2.0", "JWT")
	j.ClientIDClaim, j.ScopeClaim = "azp", "scp"
	return j
}

// checkEntraIssuer names the preset for several tenants. No token has an issuer of these.
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

// EntraV1 is one tenant of Microsoft Entra ID, for an API whose registration does not set
// requestedAccessTokenVersion, or sets 1. Audience is the API's application ID URI, such
// as "api://…".
func EntraV1(tenantID string) *JWT {
	j := of(entraV1Host+tenantID+"/", "JWT")
	j.Keys = keysOf(j.Issuer, entraHost+tenantID+"/.well-known/openid-configuration")
	j.ClientIDClaim, j.ScopeClaim = "appid", "scp"
	return j
}

// EntraTenants is [Entra] for the tokens of several tenants.
func EntraTenants(tenantIDs ...string) *JWT {
	j := Entra(tenantMark)
	j.Keys = keysOf(j.Issuer, entraHost+"organizations/v2.0/.well-known/openid-configuration")
	j.Tenants = tenantIDs
	return j
}

// Okta is a custom authorization server of an Okta organization, such as "default". Access
// tokens of the organization's own server are for Okta alone.
func Okta(domain, serverID string) *JWT {
	j := of("https://"+domain+"/oauth2/"+serverID, NoTyp, "JWT")
	j.ClientIDClaim, j.ScopeClaim = "cid", "scp"
	return j
}

// Auth0 is a tenant of Auth0, by its domain, for both access token profiles. Audience is
// the API's identifier, which the client has to send as the parameter audience.
func Auth0(domain string) *JWT {
	j := of("https://"+domain+"/", "JWT")
	j.ClientIDClaim = "azp"
	return j
}

// Cognito is a user pool of Amazon Cognito. Its access tokens have no aud: name the clients
// whose tokens are for this API in AudienceClients, instead of Audience.
func Cognito(region, poolID string) *JWT {
	j := of("https://cognito-idp."+region+".amazonaws.com/"+poolID, NoTyp)
	j.Claims = map[string]string{"token_use": "access"}
	return j
}

// PingFederate is a PingFederate server. Issuer is what its administrator set, with the
// port if it is not 443. The access token manager has to write iss and aud: by default it
// writes neither.
func PingFederate(issuer string) *JWT { return of(issuer, NoTyp, "JWT") }

// PingOne is an environment of PingOne. domain is that of the region, such as
// "auth.pingone.eu", or a custom one. Audience is that of the custom resource.
func PingOne(domain, environmentID string) *JWT {
	return of("https://"+domain+"/"+environmentID+"/as", NoTyp, "JWT")
}

// PingOneAdvancedIdentityCloud is a realm of a tenant of PingOne Advanced Identity Cloud,
// for clients with client-side (JWT) tokens. The tenant writes its issuer with the port.
// Audience is the client ID, unless the token modification script sets aud.
func PingOneAdvancedIdentityCloud(host, realm string) *JWT {
	path := "/am/oauth2/realms/root/realms/" + realm
	j := of("https://"+host+":443"+path, "JWT", NoTyp)
	j.Keys = keysOf(j.Issuer, "https://"+host+path+"/.well-known/openid-configuration")
	j.Claims = map[string]string{"tokenName": "access_token"}
	return j
}

// Cloudentity is a workspace of a tenant of Cloudentity.
func Cloudentity(tenant, region, workspace string) *JWT {
	j := of("https://"+tenant+"."+region+".authz.cloudentity.io/"+tenant+"/"+workspace, NoTyp, "JWT")
	j.ScopeClaim = "scp"
	return j
}
