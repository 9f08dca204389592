package rs

import "github.com/countersign/countersign/discovery"

// These servers give APIs ID tokens, or similar JWTs. Most of them issue tokens to every user:
// guard the routes with [Require] and check Subject or a claim.

// Google accepts ID tokens of Google for these clients, for example from gcloud or sign-in in a
// browser. Access tokens of Google are only for Google's APIs. A service account can request a
// token for any audience: add its azp to AuthorizedParties.
func Google(clientIDs ...string) *IDToken {
	const issuer = "https://accounts.google.com"
	return &IDToken{Issuer: issuer, IssuerAlias: "accounts.google.com", ClientIDs: clientIDs, Keys: keysOf(issuer, "")}
}

// GoogleIAP accepts the JWTs that Google's Identity-Aware Proxy writes into the header
// X-Goog-Iap-Jwt-Assertion (see Protection.TokenHeader). The audience names the backend:
// "/projects/NUMBER/global/backendServices/ID".
func GoogleIAP(audience string) *IDToken {
	return &IDToken{
		Issuer: "https://cloud.google.com/iap", ClientIDs: []string{audience}, Algs: []string{"ES256"},
		Keys: discovery.KeysAt("https://www.gstatic.com/iap/verify/public_key-jwk", nil),
	}
}

// CloudflareAccess accepts the JWTs that Cloudflare Access writes into the header
// Cf-Access-Jwt-Assertion (see Protection.TokenHeader). teamDomain is for example
// "example.cloudflareaccess.com". The audience is the application's AUD tag.
func CloudflareAccess(teamDomain, audience string) *IDToken {
	issuer := "https://" + teamDomain
	return &IDToken{Issuer: issuer, ClientIDs: []string{audience}, Keys: discovery.KeysAt(issuer+"/cdn-cgi/access/certs", nil)}
}

// Kubernetes accepts tokens of a cluster's service accounts that were requested for this audience
// (projected volumes, TokenRequest). issuer is the issuer of the cluster's API server. Subject is
// "system:serviceaccount:NAMESPACE:NAME".
func Kubernetes(issuer, audience string) *IDToken {
	return &IDToken{Issuer: issuer, ClientIDs: []string{audience}, Keys: keysOf(issuer, "")}
}

// GitHubActions accepts tokens of workflows in the repositories of one owner that were
// requested for this audience. Every workflow on GitHub can request a token for any audience,
// so the owner is required. Subject names the repository and the branch or environment.
func GitHubActions(owner, audience string) *IDToken {
	const issuer = "https://token.actions.githubusercontent.com"
	return &IDToken{
		Issuer: issuer, ClientIDs: []string{audience}, Keys: keysOf(issuer, ""),
		Claims: map[string]string{"repository_owner": owner},
	}
}
