package rs_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/countersign/countersign/discovery"
	"github.com/countersign/countersign/internal/badtoken"
	"github.com/countersign/countersign/internal/optest"
	"github.com/countersign/countersign/rs"
)

// checkRaw sends a token through p. The header's syntax allows spaces before a token (RFC 6750
// §2.1), so a token that begins with a space is sent to the verifier directly.
func checkRaw(ctx context.Context, p *rs.Protection, raw string) error {
	if strings.HasPrefix(raw, " ") {
		_, err := p.Tokens.VerifyToken(ctx, raw)
		return err
	}
	r := httptest.NewRequest("GET", "/", nil)
	r.Header["Authorization"] = []string{"Bearer " + raw}
	_, err := p.Check(r)
	return err
}

// TestBadTokens checks the whole list with the middleware, for RFC 9068 and for servers that set
// no typ.
func TestBadTokens(t *testing.T) {
	const issuer = "https://as.example"
	var hits atomic.Int32
	foreign := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { hits.Add(1) }))
	defer foreign.Close()
	for _, alg := range []string{"RS256", "ES256", "EdDSA"} {
		k := optest.NewKey("k1", alg)
		keys, err := discovery.StaticKeys(optest.JWKS(k))
		if err != nil {
			t.Fatal(err)
		}
		now := time.Now().Unix()
		for typ, header := range map[string]m{"": {"typ": "at+jwt"}, rs.NoTyp: {"typ": nil}} {
			p := quiet(&rs.JWT{Issuer: issuer, Audience: optest.Audience, Keys: keys, Algs: []string{alg}, Typ: typ})
			base := badtoken.Base{Key: k, Header: header, Foreign: foreign.URL, Claims: m{
				"iss": issuer, "sub": "alice", "aud": optest.Audience, "client_id": "rp", "jti": "1", "iat": now, "exp": now + 300,
			}}
			if typ == rs.NoTyp {
				base.Optional = []string{"sub", "iat"}
			}
			t.Run(alg+typ, func(t *testing.T) {
				badtoken.Run(t, base, true, func(ctx context.Context, raw string) error { return checkRaw(ctx, p, raw) })
			})
		}
	}
	if n := hits.Load(); n != 0 {
		t.Errorf("%d requests to a foreign server", n)
	}
}
