package discovery

import "github.com/countersign/countersign/internal/endpoint"

// CheckURL reports an error unless u is an absolute https URL, or an http URL on loopback,
// without user information and fragment. The error completes a sentence that begins with
// "is".
func CheckURL(u string) error { return endpoint.CheckURL(u) }
