// Package rs is the resource server side of OAuth 2.0: net/http middleware that verifies the access
// token of each request (RFC 6750). The handler gets the user, the client and the scopes.
//
//	api := &rs.Protection{Tokens: &rs.JWT{Issuer: …, Audience: …, Keys: provider.Keys()}}
//	http.Handle("/photos", api.Handler(rs.RequireScope("photos.read")(photos)))
//
// [JWT] verifies JWT access tokens without a call to the server (RFC 9068). [Introspection] asks
// the server about opaque tokens (RFC 7662). [JWTOrOpaque] accepts both kinds. [Issuers] accepts
// JWTs of several servers. [Cache] remembers verified tokens.
//
// A sender-constrained token is accepted only with proof of its key ([DPoP], [MTLS]). In the
// handler, [FromContext] returns the [Principal]. Guards such as [RequireScope] and [RequireACR]
// protect single routes. For gRPC, use the module rs/grpcrs.
package rs
