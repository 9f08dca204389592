// Package grant gets tokens without a browser redirect. [ClientCredentials] gets them for the
// client itself (RFC 6749 §4.4), and [JWTBearer] with a JWT (RFC 7523). [TokenExchange] exchanges
// another token (RFC 8693). [BeginDevice] (RFC 8628) and [BeginBackchannel] (OpenID Connect CIBA)
// are for a user at another device.
//
// Every grant is built on client.Client.Grant. Other packages can build their own grants on it.
package grant
