package redisstore_test

import (
	"crypto/sha256"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/countersign/countersign/client/auth"
	"github.com/countersign/countersign/client/login"
	"github.com/countersign/countersign/client/tokens"
	"github.com/countersign/countersign/discovery"
	"github.com/countersign/countersign/idtoken"
	"github.com/countersign/countersign/internal/jose"
	"github.com/countersign/countersign/internal/optest"
	"github.com/countersign/countersign/internal/redistest"
	"github.com/countersign/countersign/redisstore"
	"github.com/countersign/countersign/rs"
)

// The interfaces of the packages that use a store.
var (
	_ idtoken.Replay = (*redisstore.Store)(nil)
	_ rs.ReplayStore = (*redisstore.Store)(nil)
	_ rs.SharedStore = (*redisstore.Store)(nil)
	_ tokens.Store   = (*redisstore.Store)(nil)
	_ tokens.Leases  = (*redisstore.Store)(nil)
	_ login.Store    = (*redisstore.Store)(nil)
)

// TestLogoutReplay: a logout token is accepted once by all processes together, and not while the
// server is down. LO-01.
func TestLogoutReplay(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	key := optest.NewKey("k1", "ES256")
	keys, err := discovery.StaticKeys(optest.JWKS(key))
	if err != nil {
		t.Fatal(err)
	}
	machine := func() *idtoken.Verifier {
		return &idtoken.Verifier{Issuer: "https://as.example", ClientID: "rp", Keys: keys, Algs: []string{"ES256"}, Replay: open(t, server, nil)}
	}
	token := func(id string) string {
		now := time.Now().Unix()
		return key.Sign(map[string]any{
			"iss": "https://as.example", "aud": "rp", "sub": "alice", "jti": id, "iat": now, "exp": now + 60,
			"events": map[string]any{"http://schemas.openid.net/event/backchannel-logout": map[string]any{}},
		}, map[string]any{"typ": "logout+jwt"})
	}
	one, two, raw := machine(), machine(), token("canary-1")
	if _, err := one.VerifyLogout(t.Context(), raw); err != nil {
		t.Fatal(err)
	}
	if _, err := two.VerifyLogout(t.Context(), raw); !errors.Is(err, idtoken.ErrReplayed) {
		t.Errorf("on another machine: %v", err)
	}
	server.Kill()
	if _, err := two.VerifyLogout(t.Context(), token("canary-2")); !temporary(err) {
		t.Errorf("without the server: %v", err)
	}
}

// TestDPoPReplay: the same for a DPoP proof. While the server is down an API answers 503. RS-11.
func TestDPoPReplay(t *testing.T) {
	t.Parallel()
	server, as := redistest.Start(t), optest.New(t)
	key := optest.NewKey("", "ES256")
	_, thumbprint, err := jose.PublicJWK(key.Private.Public())
	if err != nil {
		t.Fatal(err)
	}
	token := as.AccessToken(map[string]any{"cnf": map[string]any{"jkt": thumbprint}}, nil)
	proof := func(id string) string {
		jwk, sum := key.JWK(), sha256.Sum256([]byte(token))
		for _, name := range []string{"kid", "use", "alg"} {
			delete(jwk, name)
		}
		return key.Sign(map[string]any{"jti": id, "htm": "GET", "htu": "https://api.example/", "iat": time.Now().Unix(), "ath": optest.B64(sum[:])},
			map[string]any{"typ": "dpop+jwt", "kid": nil, "jwk": jwk})
	}
	machine := func() *rs.Protection {
		return &rs.Protection{
			Tokens: &rs.JWT{Issuer: as.URL, Audience: optest.Audience, Keys: (&discovery.Provider{Issuer: as.URL}).Keys()},
			DPoP:   &rs.DPoP{BaseURL: "https://api.example", Replay: open(t, server, nil)}, Logger: slog.New(slog.DiscardHandler),
		}
	}
	ask := func(p *rs.Protection, proof string, want int) {
		t.Helper()
		r, w := httptest.NewRequest(http.MethodGet, "/", nil), httptest.NewRecorder()
		r.Header = http.Header{"Authorization": {"DPoP " + token}, "Dpop": {proof}}
		p.Handler(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})).ServeHTTP(w, r)
		if w.Code != want {
			t.Errorf("status %d, want %d", w.Code, want)
		}
	}
	one, two, used := machine(), machine(), proof("canary-1")
	ask(one, used, 200)
	ask(two, used, 401)
	ask(two, proof("canary-2"), 200)
	server.Kill()
	ask(one, proof("canary-3"), 503)
}

// TestSharedIntrospection: an introspection response of one machine is used by the other. Without
// the store each machine asks.
func TestSharedIntrospection(t *testing.T) {
	t.Parallel()
	server, as := redistest.Start(t), optest.New(t)
	machine := func() *rs.Cache {
		return &rs.Cache{
			Tokens: &rs.Introspection{
				URL: as.URL + "/introspect", Issuer: as.URL, Audience: optest.Audience,
				Auth: auth.SecretBasic(optest.ClientSecret).For(optest.ClientID, as.URL),
			},
			Shared: open(t, server, nil), SharedKey: []byte("canary-key of thirty-two bytes or more"),
		}
	}
	for asked, lost := range []bool{false, false, true} {
		if lost {
			server.Kill()
		}
		p, err := machine().VerifyToken(t.Context(), "canary-opaque")
		if err != nil || p.Subject != optest.Subject {
			t.Fatal(err)
		}
		if n := as.Hits("/introspect"); n != max(asked, 1) {
			t.Errorf("machine %d: the server was asked %d times", asked, n)
		}
	}
}
