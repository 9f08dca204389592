package discovery_test

import (
	"context"
	"testing"

	"github.com/countersign/countersign/internal/badtoken"
	"github.com/countersign/countersign/internal/optest"
)

// TestBadTokens verifies tokens whose form, header or signature is wrong. Claims are checked
// elsewhere.
func TestBadTokens(t *testing.T) {
	foreign := optest.New(t)
	s, p, _ := provider(t)
	now := s.Now().Unix()
	base := badtoken.Base{Key: s.Keys[0], Foreign: foreign.URL, Claims: map[string]any{"iss": s.URL, "aud": "rp", "iat": now, "exp": now + 300}}
	keys := p.Keys()
	badtoken.Run(t, base, false, func(ctx context.Context, raw string) error {
		_, err := keys.VerifySignature(ctx, raw)
		return err
	})
	if n := foreign.Hits("/jwks") + foreign.Hits("/key") + foreign.Hits("/cert.pem"); n != 0 {
		t.Errorf("%d requests to a foreign server", n)
	}
}
