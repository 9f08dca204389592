// Package idtoken validates ID tokens in the 14 numbered steps of the Basic Client
// Profile, which are the rules of OpenID Connect Core 1.0 §3.1.3.7 and, as the last,
// the hashes of §3.1.3.8, and reports on each of them.
//
//	v := &idtoken.Verifier{Issuer: …, ClientID: …, Keys: provider.Keys()}
//	token, err := v.Verify(ctx, raw, idtoken.Expected{Nonce: nonce, AccessToken: accessToken})
//
// [Verifier.Check] gives the report as well: a table that prints, marshals and
// logs. What it accepts, go-oidc's verifier has accepted too.
package idtoken
