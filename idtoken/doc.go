// Package idtoken validates ID tokens in the 14 numbered steps of the Basic Client Profile
// and reports the result of each. The steps are the rules of OpenID Connect Core 1.0
// §3.1.3.7. The last step checks the hashes of §3.1.3.8.
//
//	v := &idtoken.Verifier{Issuer: …, ClientID: …, Keys: provider.Keys()}
//	token, err := v.Verify(ctx, raw, idtoken.Expected{Nonce: nonce, AccessToken: accessToken})
//
// [Verifier.Check] returns the report as well: a table that can be printed, marshaled and logged.
// It accepts a token only if go-oidc's verifier accepts it too. Only clock skew, alias and tenants
// are handled differently.
package idtoken
