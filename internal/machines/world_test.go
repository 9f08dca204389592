package machines_test

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/countersign/countersign/client"
	"github.com/countersign/countersign/client/tokens"
	"github.com/countersign/countersign/discovery/issuertest"
	"github.com/countersign/countersign/internal/jose"
	"github.com/countersign/countersign/internal/optest"
)

// world has the servers that the processes use: the store's server, the issuer, and the
// introspection endpoint.
type world struct {
	setup
	server server
	issuer *issuertest.Issuer
	key    optest.Key
	sender dpopSender

	asked     atomic.Int64 // requests for introspection
	rotations atomic.Int64 // requests with a refresh token
}

// dpopSender is a client of the API with a token that is bound to its key.
type dpopSender struct {
	key        optest.Key
	token, sid string
}

const userCount = 200 // so that no user has many sessions

func newWorld(t testing.TB, backend string) *world {
	t.Helper()
	w := &world{server: startServer(t, backend), key: optest.NewKey("k1", "ES256")}
	var users []issuertest.User
	for i := range userCount {
		users = append(users, issuertest.User{Subject: userName(i)})
	}
	w.issuer = issuertest.New(t, issuertest.Config{PlainHTTP: true, Algorithm: "ES256", Users: users, MaxExchanges: 10, Observe: func(e issuertest.Exchange) {
		if isRefresh(e) {
			w.rotations.Add(1)
		}
	}})
	asked := httptest.NewServer(http.HandlerFunc(w.introspection))
	t.Cleanup(asked.Close)
	device, err := x509.MarshalPKCS8PrivateKey(optest.NewKey("", "ES256").Private)
	if err != nil {
		t.Fatal(err)
	}
	w.setup = setup{
		Tools: startTools(t, w.issuer.URL), Device: device,
		Backend: backend, Address: w.server.address, Issuer: w.issuer.URL, Asked: asked.URL, Front: "https://app.example", Keys: optest.JWKS(w.key),
	}
	w.sender = newSender(t, w.key)
	return w
}

func userName(i int) string { return fmt.Sprint("user", i%userCount) }

func (w *world) introspection(rw http.ResponseWriter, _ *http.Request) {
	w.asked.Add(1)
	rw.Header().Set("Content-Type", "application/json")
	json.NewEncoder(rw).Encode(map[string]any{
		"active": true, "sub": "alice", "iss": apiIssuer, "aud": audience, "client_id": "web", "scope": "read", "token_type": "Bearer",
		"exp": time.Now().Add(time.Hour).Unix(),
	})
}

func newSender(t testing.TB, issuer optest.Key) dpopSender {
	t.Helper()
	key := optest.NewKey("", "ES256")
	_, thumbprint, err := jose.PublicJWK(key.Private.Public())
	if err != nil {
		t.Fatal(err)
	}
	now, sid := time.Now().Unix(), rand.Text()
	return dpopSender{key, issuer.Sign(map[string]any{
		"iss": apiIssuer, "aud": audience, "sub": "alice", "client_id": "web", "iat": now, "exp": now + 3600, "jti": rand.Text(), "sid": sid,
		"cnf": map[string]any{"jkt": thumbprint},
	}, map[string]any{"typ": "at+jwt"}), sid}
}

// proof returns the argument of the operation: the token, and an unused proof.
func (d dpopSender) proof() string {
	jwk, sum := d.key.JWK(), sha256.Sum256([]byte(d.token))
	for _, name := range []string{"kid", "use", "alg"} {
		delete(jwk, name)
	}
	return d.token + " " + d.key.Sign(map[string]any{"jti": rand.Text(), "htm": "GET", "htu": audience + "/api", "iat": time.Now().Unix(), "ath": optest.B64(sum[:])},
		map[string]any{"typ": "dpop+jwt", "kid": nil, "jwk": jwk})
}

// logoutToken returns a logout token that the key of the setup signed.
func (w *world) logoutToken() string {
	now := time.Now().Unix()
	return w.key.Sign(map[string]any{
		"iss": apiIssuer, "aud": audience, "sub": "alice", "jti": rand.Text(), "iat": now, "exp": now + 60,
		"events": map[string]any{"http://schemas.openid.net/event/backchannel-logout": map[string]any{}},
	}, map[string]any{"typ": "logout+jwt"})
}

// event returns a security event that ends a session.
func (w *world) event() string {
	return w.key.Sign(map[string]any{
		"iss": apiIssuer, "aud": audience, "jti": rand.Text(), "iat": time.Now().Unix(),
		"sub_id": map[string]any{"format": "complex", "session": map[string]any{"format": "opaque", "id": rand.Text()}},
		"events": map[string]any{"https://schemas.openid.net/secevent/caep/event-type/session-revoked": map[string]any{"event_timestamp": time.Now().Unix()}},
	}, map[string]any{"typ": "secevent+jwt"})
}

// login returns a login of a user, with tokens that no process has yet.
func (w *world) login(t testing.TB, i int) string {
	t.Helper()
	c, err := newClient(w.setup)
	if err != nil {
		t.Fatal(err)
	}
	redirect, pending, err := c.Begin(t.Context(), client.Request{})
	if err != nil {
		t.Fatal(err)
	}
	back, err := w.issuer.Authorize(context.Background(), redirect+"&login_hint="+userName(i), "")
	if err != nil {
		t.Fatal(err)
	}
	got, err := c.Finish(t.Context(), pending, back)
	if err != nil || got.RefreshToken == "" {
		t.Fatal("no refresh token: ", err)
	}
	text, err := json.Marshal(keptLogin{Key: rand.Text(), Tokens: tokens.ToStore(got)})
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// many makes n arguments.
func many(n int, make func(i int) string) []string {
	var all []string
	for i := range n {
		all = append(all, make(i))
	}
	return all
}

// wantAll fails unless every result is the expected one.
func wantAll(t testing.TB, r result, want string) {
	t.Helper()
	for _, got := range r.Results {
		if got != want {
			t.Fatalf("%.200s, expected %s", strings.ReplaceAll(got, "canary", "***"), want)
		}
	}
}
