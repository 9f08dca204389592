// Package client is the relying party. It signs users in (OpenID Connect Core §3.1) and gets tokens
// with OAuth 2.0 (RFC 6749, RFC 9700).
//
// A web application uses package client/login, which has handlers and sessions. This package is for
// applications that keep state and sessions in another way. [New] makes a [Client]; it sends no
// request before the first login.
//
// # Sign a user in
//
// [Client.Begin] makes the URL to redirect the browser to, and a [Pending] to store for this
// browser. [Client.Finish] reads the callback and returns the validated tokens:
//
//	redirect, pending, err := c.Begin(ctx, client.Request{})
//	// store pending, redirect the browser; later, in the callback:
//	tokens, err := c.Finish(ctx, pending, r.URL.Query())
//
// [Client.FinishAt] is for clients at several issuers. [Client.Exchange] redeems a code that a
// mobile app obtained. [Client.UserInfo] returns the claims of the UserInfo endpoint.
//
// # Check the configuration
//
// [New] reports every fault of a [Config] at once. [Client.Ready] reports whether the server
// answers and fits the configuration. Functions such as [Keycloak] and [Google] return the fixed
// values of a server. [Config.Profile] requires a profile such as [FAPI2Security].
//
// # Call an API
//
// Package client/tokens refreshes tokens and adds them to requests. It calls [Client.Refresh] and
// [Client.Authorize].
//
// # Get tokens without a browser
//
// Package client/grant has client credentials, token exchange, the device grant and CIBA.
// [Client.Grant] sends any other grant. Package client/loopback signs in users of a program on a
// desktop. Package client/auth has the methods of client authentication.
//
// # End a session
//
// [Client.LogoutURL] and [CheckLogout] end the server's session. [Client.RevokeTokens] ends the
// tokens. [Client.Introspect] asks whether a token is active. [Client.VerifyLogout] verifies a
// back-channel logout token.
//
// # Errors
//
// Every error of a step of a login is an [*Error]. Its Code is the server's error code if the
// server sent one. Otherwise Code is "temporarily_unavailable" if a later call may succeed, and
// "login_failed" in all other cases.
//
// Each method lists the codes that its endpoints send, with the clause that defines them.
// Servers and extensions send other codes too, such as "invalid_target" (RFC 8707 §2) and
// "invalid_dpop_proof" (RFC 9449 §5). They are returned unchanged. Only a code that is longer
// than 64 characters, or that has other characters than letters, digits, "_", ".", ":", "/" and
// "-", becomes "invalid_error_code". The text of the error then quotes the server's code.
package client
