package idtoken_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"

	"github.com/countersign/countersign/idtoken"
	"github.com/countersign/countersign/internal/badtoken"
	"github.com/countersign/countersign/internal/optest"
)

// foreign is a server that must not get a request. TOK-07.
func foreign(t *testing.T) string {
	var hits atomic.Int32
	s := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { hits.Add(1) }))
	t.Cleanup(func() {
		s.Close()
		if n := hits.Load(); n != 0 {
			t.Errorf("a token caused %d requests to a foreign server", n)
		}
	})
	return s.URL
}

// TestBadTokens checks the whole list with Verify and VerifyLogout.
func TestBadTokens(t *testing.T) {
	for _, alg := range []string{"RS256", "PS256", "ES256", "EdDSA"} {
		k := optest.NewKey("k1", alg)
		v := &idtoken.Verifier{Issuer: issuer, ClientID: clientID, Keys: keySet(t, k), Algs: []string{alg}}
		now := time.Now().Unix()
		base := badtoken.Base{Key: k, Foreign: foreign(t), Claims: m{"iss": issuer, "sub": "alice", "aud": clientID, "iat": now, "exp": now + 300}}
		t.Run("ID token/"+alg, func(t *testing.T) {
			badtoken.Run(t, base, true, func(ctx context.Context, raw string) error {
				token, err := v.Verify(ctx, raw, idtoken.Expected{})
				if token != nil && err != nil {
					t.Error("a token with an error")
				}
				return err
			})
		})
		t.Run("logout token/"+alg, func(t *testing.T) {
			v.Replay = replay(func(string) (bool, error) { return true, nil }) // the checks must reject it
			base.Header = m{"typ": "logout+jwt"}
			base.Claims["events"], base.Claims["jti"] = m{logoutEvent: m{}}, "1"
			badtoken.Run(t, base, true, func(ctx context.Context, raw string) error {
				_, err := v.VerifyLogout(ctx, raw)
				return err
			})
		})
	}
}

// TestBadTokensEncrypted checks the whole list inside valid encryption.
func TestBadTokensEncrypted(t *testing.T) {
	k := optest.NewKey("k1", "ES256")
	v := &idtoken.Verifier{
		Issuer: issuer, ClientID: clientID, Keys: keySet(t, k), Algs: []string{"ES256"},
		DecryptionKeys: []idtoken.DecryptionKey{{KeyID: "enc", Key: ecKey}}, MaxSize: 64 << 10,
	}
	now := time.Now().Unix()
	base := badtoken.Base{Key: k, Foreign: foreign(t), Claims: m{"iss": issuer, "sub": "alice", "aud": clientID, "iat": now, "exp": now + 300}}
	refused := 0
	wrap := func(raw string) error {
		_, err := v.Verify(t.Context(), encrypt(t, raw, "ECDH-ES", "A256GCM", "enc", ecKey.Public()), idtoken.Expected{})
		return err
	}
	if err := wrap(base.Good()); err != nil {
		t.Fatal(err)
	}
	for _, c := range badtoken.Cases(base) {
		if len(c.Token) > 12<<10 || c.Name == "form/empty" {
			continue // a larger limit accepts the large tokens; an empty text is not encrypted
		}
		if wrap(c.Token) == nil {
			t.Errorf("%s: accepted", c.Name)
		}
		refused++
	}
	if refused < 300 {
		t.Errorf("only %d cases", refused)
	}
}
