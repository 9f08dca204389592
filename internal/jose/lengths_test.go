package jose_test

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/countersign/countersign/internal/jose"
	"github.com/countersign/countersign/internal/optest"
)

// TestLengths verifies tokens around the length up to which they are hashed on the stack. Each is
// rejected after a change of its last claim's last character.
func TestLengths(t *testing.T) {
	for _, alg := range []string{"RS256", "PS256", "ES256", "EdDSA", "ES384", "RS512"} {
		k := optest.NewKey("a", alg)
		keys := set(t, k.JWK())
		for _, n := range []int{1, 1400, 1430, 1440, 1450, 1460, 1470, 1480, 1490, 1500, 4000} {
			jwt := k.Sign(m{"x": strings.Repeat("y", n)}, nil)
			if err := check(t, keys, jwt); err != nil {
				t.Errorf("%s, %d: %v", alg, len(jwt), err)
			}
			header, rest, _ := strings.Cut(jwt, ".")
			_, signature, _ := strings.Cut(rest, ".")
			changed := header + "." + optest.B64(mustJSON(t, m{"x": strings.Repeat("y", n-1) + "z"})) + "." + signature
			if err := check(t, keys, changed); !errors.Is(err, jose.ErrSignature) {
				t.Errorf("%s, %d, changed: %v", alg, len(jwt), err)
			}
		}
	}
}

func mustJSON(t testing.TB, v any) []byte {
	t.Helper()
	raw, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}
