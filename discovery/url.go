package discovery

import "github.com/countersign/countersign/internal/endpoint"

// CheckURL returns an error unless u is an absolute https URL, or an http URL on loopback,
// without user information and fragment. The error text has no subject: write the name of the
// setting and "is" before it.
func CheckURL(u string) error { return endpoint.CheckURL(u) }
