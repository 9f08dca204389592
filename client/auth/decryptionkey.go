package auth

import "github.com/countersign/countersign/internal/jose"

// DecryptionKey is a private key of the client to decrypt JWTs with; the same type as
// idtoken.DecryptionKey.
type DecryptionKey = jose.DecryptionKey
