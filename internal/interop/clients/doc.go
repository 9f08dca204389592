// Package clients signs in at the test issuer with other libraries, and records which of the
// issuer's faults each library rejects. It generates docs/which-library-notices-what.md:
//
//	COUNTERSIGN_INTEROP_WRITE=1 go -C internal/interop test ./clients
package clients
