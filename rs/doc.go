// Package rs is the resource server: net/http middleware that lets a request
// through if its bearer token is good (RFC 6750), and tells the handler who sent it.
//
//	api := &rs.Protection{Tokens: &rs.JWT{Issuer: …, Audience: …, Keys: provider.Keys()}}
//	http.Handle("/photos", api.Handler(rs.RequireScope("photos.read")(photos)))
//
// Tokens are JWTs, verified on the spot (RFC 9068), or opaque, asked about at the
// server (RFC 7662), or [JWTOrOpaque], of one server or several ([Issuers]), remembered by a
// [Cache]. A token that is bound to a key is taken with the proof alone ([DPoP], [MTLS]).
// In the handler, [FromContext] gives user, scope and client ID; guards such as
// [RequireScope] and [RequireACR] stand before single routes. For gRPC there is the module
// rs/grpcrs.
package rs
