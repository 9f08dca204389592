package auth

// TLS authenticates with the client certificate of the TLS connection (tls_client_auth, RFC 8705
// §2.1). Config.HTTP presents the certificate. The client uses the metadata's
// mtls_endpoint_aliases if there are any (§5).
func TLS() Method { return Method{name: "tls_client_auth", bind: idAlone} }

// SelfSignedTLS is TLS with a self-signed certificate (self_signed_tls_client_auth, RFC 8705
// §2.2).
func SelfSignedTLS() Method { return Method{name: "self_signed_tls_client_auth", bind: idAlone} }
