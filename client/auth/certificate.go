package auth

// TLS is for clients that the server knows by the certificate of their TLS connection
// (tls_client_auth, RFC 8705 §2.1). Config.HTTP presents it; the endpoints are those of
// the metadata's mtls_endpoint_aliases, where there are such (§5).
func TLS() Method { return Method{name: "tls_client_auth", bind: idAlone} }

// SelfSignedTLS is TLS for certificates that the client signed itself
// (self_signed_tls_client_auth, RFC 8705 §2.2).
func SelfSignedTLS() Method { return Method{name: "self_signed_tls_client_auth", bind: idAlone} }
