// Package client is the relying party: it signs users in with OpenID Connect and
// gets tokens with OAuth 2.0 (RFC 6749, RFC 9700, OpenID Connect Core §3.1).
//
// A login has two legs. [Client.Begin] makes the address to send the browser to
// and a [Pending] that the application keeps for this browser; when the browser
// comes back, [Client.Finish] takes both and gives the tokens, validated:
//
//	redirect, pending, err := c.Begin(ctx, client.Request{})
//	// keep pending, redirect the browser; later, in the callback:
//	tokens, err := c.Finish(ctx, pending, r.URL.Query())
//
// How the client authenticates is in package client/auth. Grants without a browser redirect
// are in package client/grant, built on [Client.Grant].
//
// Nothing touches the network before the first Begin.
package client
