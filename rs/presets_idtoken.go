package rs

import "github.com/countersign/countersign/discovery"

// These servers give APIs ID tokens, or tokens like them. Anybody may get one from most of
// them: guard the routes with [Require], by Subject or by a claim.

// Google accepts ID tokens of Google for these clients, as gcloud and sign-in in a browser
// write them. Access tokens of Google are for Google alone. A service account can get a
// token for any audience; its azp must be in AuthorizedParties.
func Google(clientIDs ...string) *IDToken {
	const issuer = "https://accounts.google.com"
	return &IDToken{Issuer: issuer, IssuerAlias: "accounts.google.com", ClientIDs: clientIDs, Keys: keysOf(issuer, "")}
}

// GoogleIAP accepts what Google's Identity-Aware Proxy writes into the header
// X-Goog-Iap-Jwt-Assertion (see Protection.TokenHeader). The audience names the backend:
// "/projects/NUMBER/global/backendServices/ID".
func GoogleIAP(audience string) *IDToken {
	return &IDToken{
		Issuer: "https://cloud.google.com/iap", ClientIDs: []string{audience}, Algs: []string{"ES256"},
		Keys: discovery.KeysAt("https://www.gstatic.com/iap/verify/public_key-jwk", nil),
	}
}

// CloudflareAccess accepts what Cloudflare Access writes into the header
// Cf-Access-Jwt-Assertion (see Protection.TokenHeader). The team's domain is such as
// "example.cloudflareaccess.com"; the audience is the application's AUD tag.
func CloudflareAccess(teamDomain, audience string) *IDToken {
	issuer := "https://" + teamDomain
	return &IDToken{Issuer: issuer, ClientIDs: []string{audience}, Keys: discovery.KeysAt(issuer+"/cdn-cgi/access/certs", nil)}
}

// Kubernetes accepts tokens of service accounts of a cluster, by the issuer of its API
// server, which were requested for this audience (projected volumes, TokenRequest).
// Subject is "system:serviceaccount:NAMESPACE:NAME".
func Kubernetes(issuer, audience string) *IDToken {
	return &IDToken{Issuer: issuer, ClientIDs: []string{audience}, Keys: keysOf(issuer, "")}
}

// GitHubActions accepts tokens of workflows in the repositories of one owner, which were
// requested for this audience. Every workflow on GitHub can request a token for any
// audience, so the owner is required. Subject names repository and branch or environment.
func GitHubActions(owner, audience string) *IDToken {
	const issuer = "https://token.actions.githubusercontent.com"
	return &IDToken{
		Issuer: issuer, ClientIDs: []string{audience}, Keys: keysOf(issuer, ""),
		Claims: map[string]string{"repository_owner": owner},
	}
}
