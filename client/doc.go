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
// Tokens without a browser are got by [Client.ClientCredentials], [Client.JWTBearer],
// [Client.TokenExchange] and [Client.Grant]; for a user at another device there are
// [Client.BeginDevice] (RFC 8628) and [Client.BeginBackchannel] (OpenID Connect CIBA).
//
// Nothing touches the network before the first Begin.
package client
