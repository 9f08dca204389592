package auth

import "github.com/countersign/countersign/internal/jose"

// DecryptionKey is a private key of the client that decrypts JWTs. It is the same type as
// idtoken.DecryptionKey.
type DecryptionKey = jose.DecryptionKey
