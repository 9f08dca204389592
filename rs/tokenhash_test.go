package rs

import (
	"strings"
	"testing"
)

// TestKeyOf: every token has a different key, also if tokens differ only by the bytes with which
// a block is filled.
func TestKeyOf(t *testing.T) {
	for name, h := range map[string]*hasher{"GMAC": {gcm: newGMAC()}, "SHA-256": {}} {
		seen := map[tokenKey]int{}
		for n := range 200 {
			for _, token := range []string{strings.Repeat("a", n), strings.Repeat("a", n) + "b", strings.Repeat("a", n) + "\x00"} {
				key := h.key(token)
				if key != h.key(token) {
					t.Fatalf("%s: two keys for one token", name)
				}
				seen[key]++
			}
		}
		if len(seen) != 600 {
			t.Errorf("%s: %d keys for 600 tokens", name, len(seen))
		}
	}
	if newGMAC() == nil || keyOf("a") == keyOf("b") || keyOf(strings.Repeat("a", 64<<10)) == keyOf("a") {
		t.Error("keyOf does not tell tokens apart")
	}
}
