package client

import (
	"strings"

	"github.com/countersign/countersign/discovery"
)

// The presets are what is fixed about a server, as plain values: add ClientID, Auth,
// RedirectURL and Scopes. Nothing else in this package knows a server by its name.

// PingFederate is a PingFederate server. Issuer is what its administrator set, with the
// port if it is not 443.
func PingFederate(issuer string) Config { return Config{Issuer: issuer} }

// PingOne is an environment of PingOne. domain is that of the region, such as
// "auth.pingone.eu", or a custom one.
func PingOne(domain, environmentID string) Config {
	return Config{Issuer: "https://" + domain + "/" + environmentID + "/as"}
}

// PingOneAdvancedIdentityCloud is a realm of a tenant of PingOne Advanced Identity Cloud.
// The tenant writes its issuer with the port, and is found without it; beside request_uri
// it wants the request's main parameters.
func PingOneAdvancedIdentityCloud(host, realm string) Config {
	path := "/am/oauth2/realms/root/realms/" + realm
	return Config{
		Issuer:           "https://" + host + ":443" + path,
		DiscoveryURL:     "https://" + host + path + "/.well-known/openid-configuration",
		RepeatParameters: true,
	}
}

// Cloudentity is a workspace of a tenant of Cloudentity.
func Cloudentity(tenant, region, workspace string) Config {
	return Config{Issuer: "https://" + tenant + "." + region + ".authz.cloudentity.io/" + tenant + "/" + workspace}
}

// Keycloak is a realm of a Keycloak server, such as "https://sso.example". For signed
// responses have the client's attribute exclude.issuer.from.auth.response on: without it
// Keycloak 26 writes iss into them twice, which is refused.
func Keycloak(base, realm string) Config {
	return Config{Issuer: strings.TrimSuffix(base, "/") + "/realms/" + realm}
}

const entra = "https://login.microsoftonline.com/"

// Entra is one tenant of Microsoft Entra ID. With PrivateKeyJWT see auth.EntraAssertion.
func Entra(tenantID string) Config { return Config{Issuer: entra + tenantID + "/v2.0"} }

// EntraTenants lets the users of several tenants of Microsoft Entra ID sign in.
func EntraTenants(tenantIDs ...string) Config {
	return Config{
		Issuer:       entra + "{tenantid}/v2.0",
		DiscoveryURL: entra + "organizations/v2.0/.well-known/openid-configuration",
		Tenants:      tenantIDs,
	}
}

// Google is Google. Some of its ID tokens have an issuer without a scheme. A refresh
// token comes only with Request.Extra access_type=offline.
func Google() Config {
	return Config{Issuer: "https://accounts.google.com", IssuerAlias: "accounts.google.com"}
}

// Okta is an authorization server of an Okta organization; serverID "" is that of the
// organization itself, whose access tokens are for Okta alone.
func Okta(domain, serverID string) Config {
	if serverID == "" {
		return Config{Issuer: "https://" + domain}
	}
	return Config{Issuer: "https://" + domain + "/oauth2/" + serverID}
}

// Auth0 is a tenant of Auth0, by its domain. Its issuer ends with a slash. Without
// Request.Extra audience its access tokens are for Auth0 alone.
func Auth0(domain string) Config { return Config{Issuer: "https://" + domain + "/"} }

// Cognito is a user pool of Amazon Cognito. Its endpoints are at another host than its
// issuer.
func Cognito(region, poolID string) Config {
	return Config{Issuer: "https://cognito-idp." + region + ".amazonaws.com/" + poolID}
}

const apple = "https://appleid.apple.com"

// Apple is Sign in with Apple. With the scopes name and email it answers with a form
// that it posts from its own site; see AppleSecret for Auth.
func Apple() Config { return Config{Issuer: apple, ResponseMode: "form_post"} }

// Presets for sign-in with an account that people already have. Those without OpenID Connect
// issue no ID token: the application asks the server's API who the user is.

// GitHub is sign-in with GitHub, which is OAuth 2.0 without OpenID Connect. Who signed in is
// what https://api.github.com/user answers. GitHub separates the scopes of its answers by
// commas, so Tokens.Scopes has one element.
func GitHub() Config {
	const site = "https://github.com/login/oauth"
	return Config{
		Issuer: site, Scopes: []string{"read:user"},
		Metadata: &discovery.Metadata{Issuer: site, AuthorizationEndpoint: site + "/authorize", TokenEndpoint: site + "/access_token"},
	}
}

// GitLab is GitLab, such as "https://gitlab.com" or a server of an organization.
func GitLab(base string) Config { return Config{Issuer: base} }

// LinkedIn is Sign In with LinkedIn using OpenID Connect. Its ID tokens have no nonce, so PKCE
// must bind the response: have PKCE enabled for the application at LinkedIn, which rejects a
// code_verifier with invalid_client before.
func LinkedIn() Config {
	return Config{
		Issuer: "https://www.linkedin.com/oauth", IssuerAlias: "https://www.linkedin.com",
		Scopes: []string{"openid", "profile", "email"}, InsecureMissingNonce: true,
	}
}

// Twitch is Twitch. It authenticates clients by auth.SecretPost. An email address comes only
// if Request.Claims asks for it.
func Twitch() Config { return Config{Issuer: "https://id.twitch.tv/oauth2"} }

// Slack is Sign in with Slack. RedirectURL must be https.
func Slack() Config {
	return Config{Issuer: "https://slack.com", Scopes: []string{"openid", "profile", "email"}}
}

// Discord is sign-in with Discord, which is OAuth 2.0 without OpenID Connect. Who signed in is
// what https://discord.com/api/users/@me answers.
func Discord() Config {
	const site = "https://discord.com"
	return Config{
		Issuer: site, Scopes: []string{"identify"},
		Metadata: &discovery.Metadata{
			Issuer: site, AuthorizationEndpoint: site + "/oauth2/authorize", TokenEndpoint: site + "/api/oauth2/token",
			RevocationEndpoint: site + "/api/oauth2/token/revoke",
		},
	}
}
