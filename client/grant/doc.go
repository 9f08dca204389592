// Package grant gets tokens without a browser redirect: for the client itself
// ([ClientCredentials], RFC 6749 §4.4), with a JWT ([JWTBearer], RFC 7523), in exchange for
// another token ([TokenExchange], RFC 8693), and for a user at another device ([BeginDevice],
// RFC 8628, and [BeginBackchannel], OpenID Connect CIBA).
//
// Every grant is built on client.Client.Grant. Other packages can build their own grants on it.
package grant
