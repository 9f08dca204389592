// Package clients signs in at the test issuer with the libraries of others, and finds out
// which of the issuer's faults each library rejects. docs/which-library-notices-what.md is
// written by it:
//
//	COUNTERSIGN_INTEROP_WRITE=1 go -C internal/interop test ./clients
package clients
