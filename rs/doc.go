// Package rs is the resource server side of OAuth 2.0: net/http middleware that verifies the access
// token of each request (RFC 6750). The handler gets the user, the client and the scopes.
//
//	api := &rs.Protection{Tokens: &rs.JWT{Issuer: …, Audience: …, Keys: provider.Keys()}}
//	http.Handle("/photos", api.Handler(rs.RequireScope("photos.read")(photos)))
//
// # Verify tokens
//
// [JWT] verifies JWT access tokens without a call to the server (RFC 9068). [Introspection] asks
// the server about opaque tokens (RFC 7662). [JWTOrOpaque] accepts both kinds. [Issuers] accepts
// JWTs of several servers, and [DynamicIssuers] decides about issuers at run time. [Cache] remembers
// verified tokens. Functions such as [Keycloak] and [Entra] return the fixed values of a server.
//
// [IDToken], [AWSLoadBalancer] and [PingValidateBearer] are for servers and proxies without access
// tokens or introspection. An application can write its own [Verifier].
//
// # Protect routes
//
// [Protection.Handler] is the middleware. [Protection.Check] is the same check for applications that
// write the response. [FromContext] returns the [Principal]. The guards [RequireScope],
// [RequireAnyScope], [RequireClaim], [RequireACR], [RequireMaxAge], [RequireActor] and
// [RequireAuthorizationDetails] protect single routes. [Require] is a guard with a function of the
// application. Package rs/authzen asks a policy decision point. Module rs/grpcrs protects gRPC.
//
// # Accept sender-constrained tokens
//
// A token that is bound to a key or a certificate is accepted only with the proof: see [DPoP] and
// [MTLS].
//
// # End access before tokens expire
//
// [Revocations] is a list of the application. [StatusLists] reads the list of the issuer.
// [PingSessions] asks PingFederate. [Cache.Invalidate] removes a token from the cache. Package rs/ssf
// receives security events.
//
// # Describe the API
//
// [Metadata] serves the protected resource metadata (RFC 9728). [ForwardIdentity] tells a server
// behind the API who sent a request.
//
// # Check and observe
//
// [Protection.Ready] reports settings that are missing or wrong. Protection.Logger receives each
// rejected request, and a [Counter] counts them. Package rs/rstest tests handlers without a server.
//
// # Errors
//
// A rejection is an [*Error] with the status and the code of the response. Each call lists them.
package rs
