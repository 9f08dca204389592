// Package crossapp gets access tokens for the API of another application, for a signed-in user.
// Both applications trust one identity provider, where the user signed in. The user sees no second
// login. The protocol is the Identity Assertion JWT Authorization Grant (ID-JAG,
// draft-ietf-oauth-identity-assertion-authz-grant). The comments in this package cite the editors'
// text of 1 August 2026, which follows draft 04.
//
//	app := crossapp.CrossApp{IdP: idp, At: chat, Resource: "https://api.chat.example/", Subject: idToken}
//	source, err := app.Source()
//	api := &http.Client{Transport: &tokens.Transport{Client: chat, Tokens: source, Origins: origins}}
//
// [CrossApp.Source] returns a source of access tokens that are renewed before they expire.
// [CrossApp.Fetch] gets one access token, in three steps:
//
//  1. It exchanges the user's ID token at the identity provider for a grant (RFC 8693).
//  2. It checks the grant. A grant for another client, server, API or key is rejected.
//  3. It sends the grant to the authorization server of the other application (RFC 7523).
//
// If both clients have Config.DPoP, the grant and the access token are bound to one key. A grant
// that is bound to a certificate (x5t#S256) is rejected: the editors' text defines such grants, but
// no published draft does.
package crossapp
