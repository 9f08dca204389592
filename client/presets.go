package client

import (
	"strings"

	"github.com/countersign/countersign/discovery"
)

// The presets return the fixed values of a server: add ClientID, Auth, RedirectURL and Scopes.
// Nothing else in this package depends on a particular server.

// PingFederate returns the Config of a PingFederate server. issuer is the value that its
// administrator set, with the port if it is not 443.
func PingFederate(issuer string) Config { return Config{Issuer: issuer} }

// PingOne returns the Config of a PingOne environment. domain is the domain of the region, such
// as "auth.pingone.eu", or a custom domain.
func PingOne(domain, environmentID string) Config {
	return Config{Issuer: "https://" + domain + "/" + environmentID + "/as"}
}

// PingOneAdvancedIdentityCloud returns the Config of a realm in a tenant of PingOne Advanced
// Identity Cloud. The tenant's issuer contains the port, but its metadata URL does not. It
// requires the main parameters beside request_uri.
func PingOneAdvancedIdentityCloud(host, realm string) Config {
	path := "/am/oauth2/realms/root/realms/" + realm
	return Config{
		Issuer:           "https://" + host + ":443" + path,
		DiscoveryURL:     "https://" + host + path + "/.well-known/openid-configuration",
		RepeatParameters: true,
	}
}

// Cloudentity returns the Config of a workspace in a Cloudentity tenant.
func Cloudentity(tenant, region, workspace string) Config {
	return Config{Issuer: "https://" + tenant + "." + region + ".authz.cloudentity.io/" + tenant + "/" + workspace}
}

// Keycloak returns the Config of a realm on a Keycloak server. base is the server's URL, such as
// "https://sso.example". For signed responses, turn on the client's attribute
// exclude.issuer.from.auth.response. Without it Keycloak 26 writes iss twice, and the response
// is rejected.
func Keycloak(base, realm string) Config {
	return Config{Issuer: strings.TrimSuffix(base, "/") + "/realms/" + realm}
}

const entra = "https://login.microsoftonline.com/"

// Entra returns the Config of one tenant of Microsoft Entra ID. For PrivateKeyJWT see
// auth.EntraAssertion.
func Entra(tenantID string) Config { return Config{Issuer: entra + tenantID + "/v2.0"} }

// EntraTenants returns a Config with which users of several tenants of Microsoft Entra ID can
// sign in.
func EntraTenants(tenantIDs ...string) Config {
	return Config{
		Issuer:       entra + "{tenantid}/v2.0",
		DiscoveryURL: entra + "organizations/v2.0/.well-known/openid-configuration",
		Tenants:      tenantIDs,
	}
}

// Google returns the Config of Google. Some of its ID tokens have an issuer without a scheme.
// Google issues a refresh token only if Request.Extra has access_type=offline.
func Google() Config {
	return Config{Issuer: "https://accounts.google.com", IssuerAlias: "accounts.google.com"}
}

// Okta returns the Config of an authorization server of an Okta organization. serverID "" means
// the organization's own server, whose access tokens are only for Okta.
func Okta(domain, serverID string) Config {
	if serverID == "" {
		return Config{Issuer: "https://" + domain}
	}
	return Config{Issuer: "https://" + domain + "/oauth2/" + serverID}
}

// Auth0 returns the Config of an Auth0 tenant, by its domain. Its issuer ends with a slash.
// Without audience in Request.Extra, its access tokens are only for Auth0.
func Auth0(domain string) Config { return Config{Issuer: "https://" + domain + "/"} }

// Cognito returns the Config of an Amazon Cognito user pool. Its endpoints are on another host
// than its issuer.
func Cognito(region, poolID string) Config {
	return Config{Issuer: "https://cognito-idp." + region + ".amazonaws.com/" + poolID}
}

const apple = "https://appleid.apple.com"

// Apple returns the Config of Sign in with Apple. With the scopes name and email Apple posts the
// response as a form from its own site. For Auth see auth.AppleSecret.
func Apple() Config { return Config{Issuer: apple, ResponseMode: "form_post"} }

// Presets for sign-in with existing consumer accounts. Servers without OpenID Connect issue no
// ID token. For these the application asks the server's API for the user.

// GitHub returns the Config of GitHub, which supports OAuth 2.0 without OpenID Connect.
// https://api.github.com/user returns the user who signed in. GitHub separates the scopes of its
// responses by commas, so Tokens.Scopes has one element.
func GitHub() Config {
	const site = "https://github.com/login/oauth"
	return Config{
		Issuer: site, Scopes: []string{"read:user"},
		Metadata: &discovery.Metadata{Issuer: site, AuthorizationEndpoint: site + "/authorize", TokenEndpoint: site + "/access_token"},
	}
}

// GitLab returns the Config of GitLab. base is "https://gitlab.com" or the URL of your server.
func GitLab(base string) Config { return Config{Issuer: base} }

// LinkedIn returns the Config of Sign In with LinkedIn using OpenID Connect. Its ID tokens have
// no nonce, so PKCE must bind the response. Ask LinkedIn to enable PKCE for the application.
// Until then LinkedIn rejects a code_verifier with invalid_client.
func LinkedIn() Config {
	return Config{
		Issuer: "https://www.linkedin.com/oauth", IssuerAlias: "https://www.linkedin.com",
		Scopes: []string{"openid", "profile", "email"}, InsecureMissingNonce: true,
	}
}

// Twitch returns the Config of Twitch. It authenticates clients with auth.SecretPost. Twitch
// returns an email address only if Request.Claims requests it.
func Twitch() Config { return Config{Issuer: "https://id.twitch.tv/oauth2"} }

// Slack returns the Config of Sign in with Slack. RedirectURL must be https.
func Slack() Config {
	return Config{Issuer: "https://slack.com", Scopes: []string{"openid", "profile", "email"}}
}

// Discord returns the Config of Discord, which supports OAuth 2.0 without OpenID Connect.
// https://discord.com/api/users/@me returns the user who signed in.
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
