package jose

import (
	"fmt"
	"strings"
	"testing"
)

// TestHeaderCache: only headers of tokens that verified are cached.
func TestHeaderCache(t *testing.T) {
	secret := []byte(strings.Repeat("s", 32))
	signer, err := NewSecretSigner(secret, "HS256")
	if err != nil {
		t.Fatal(err)
	}
	for i, test := range []struct {
		secret []byte
		cached bool
	}{{secret, true}, {[]byte(strings.Repeat("x", 32)), false}} {
		token, err := signer.Sign(map[string]any{"typ": fmt.Sprint("cache-", i)}, map[string]any{})
		if err != nil {
			t.Fatal(err)
		}
		parsed, err := Parse(token, 0)
		if err != nil {
			t.Fatal(err)
		}
		err = VerifyWith(t.Context(), NewSecretSet(test.secret), token, parsed)
		if (err == nil) != test.cached {
			t.Errorf("case %d: %v", i, err)
		}
		text, _, _ := strings.Cut(token, ".")
		if cached := knownHeaders.get(text) != nil; cached != test.cached {
			t.Errorf("case %d: cached is %v", i, cached)
		}
	}
}
