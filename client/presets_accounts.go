package client

import "github.com/countersign/countersign/discovery"

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
