// Package crossapp calls the API of another application for a user who signed in at an identity
// provider that both applications trust: the Identity Assertion JWT Authorization Grant
// (ID-JAG, draft-ietf-oauth-identity-assertion-authz-grant). The user sees no second login.
//
//	app := crossapp.CrossApp{IdP: idp, At: chat, Resource: "https://api.chat.example", Subject: idToken}
//	source, err := app.Source()
//	api := &http.Client{Transport: &tokens.Transport{Client: chat, Tokens: source, Origins: origins}}
//
// A [CrossApp] exchanges the user's ID token for a grant at the identity provider (RFC 8693),
// checks the grant, and sends it to the authorization server of the other application
// (RFC 7523). The sections in this package are those of draft 03 (April 2026).
package crossapp
