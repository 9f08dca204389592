package endpoint

import (
	"net/netip"
	"testing"
)

// TestIsPrivate: DISC-03. Some clouds have their metadata at 100.100.100.200 or 192.0.0.192.
func TestIsPrivate(t *testing.T) {
	for address, want := range map[string]bool{
		"127.0.0.1": true, "::1": true, "10.0.0.1": true, "169.254.169.254": true, "fe80::1": true, "fd00::1": true, "0.0.0.0": true, "::": true,
		"::ffff:10.0.0.1": true, "0.1.2.3": true, "100.64.0.1": true, "100.100.100.200": true, "192.0.0.192": true,
		"64:ff9b::a9fe:a9fe": true, "64:ff9b::7f00:1": true, "224.0.0.1": true,
		"192.0.2.1": false, "100.128.0.1": false, "192.0.1.1": false, "2001:db8::1": false, "64:ff9b::c000:201": false, "8.8.8.8": false,
	} {
		if got := isPrivate(netip.MustParseAddr(address)); got != want {
			t.Errorf("%s: %t", address, got)
		}
	}
}
