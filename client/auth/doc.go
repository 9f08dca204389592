// Package auth implements client authentication at an authorization server: with a secret, a signed
// assertion or a certificate. See RFC 6749 §2.3, RFC 7523, RFC 8705 §2 and OpenID Connect Core §9.
// It also holds the client's signing keys and their rotation.
//
// Set a [Method] in client.Config. [Method.For] returns the [Authenticator] that par.Push and
// rs.Introspection accept, so an API that introspects tokens needs only this package.
package auth
