// Package bench compares package rs with the bare standard library and with other libraries, each
// as net/http middleware, in one run.
package bench

import (
	"context"
	"encoding/base64"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/countersign/countersign/discovery"
	"github.com/countersign/countersign/internal/optest"
	"github.com/countersign/countersign/rs"
)

const (
	issuer   = "https://as.example.com/tenants/production"
	audience = "https://api.example.com/"
)

// setup is the key of one algorithm, with the different tokens of a round.
type setup struct {
	key     optest.Key
	jwks    []byte
	jwksURL string // where the keys are, if they are not in memory
	tokens  []string
}

func newSetup(alg string, n int) *setup {
	s := &setup{key: optest.NewKey("2026-11-key-1", alg)}
	s.jwks = optest.JWKS(s.key)
	for i := range n {
		s.tokens = append(s.tokens, token(s.key, i))
	}
	return s
}

// token is the i-th that key signs.
func token(key optest.Key, i int) string {
	now := time.Now().Unix()
	return key.Sign(map[string]any{
		"iss": issuer, "sub": fmt.Sprintf("248289761001-%06d", i), "aud": audience, "client_id": "s6BhdRkqt3-web-application",
		"exp": now + 3600, "iat": now, "jti": fmt.Sprintf("dbe39bf3a3ba4238a513f51d6e1691c4-%06d", i),
		"scope": "openid profile photos.read photos.write albums.read", "acr": "urn:mace:incommon:iap:silver", "auth_time": now - 60,
		"amr": []string{"pwd", "otp"}, "tenant": "production", "roles": []string{"editor", "reviewer"},
	}, map[string]any{"typ": "at+jwt"})
}

// verifyFunc calls a library as middleware does.
type verifyFunc func(ctx context.Context, token string) error

type contextKey struct{}

// middleware is the same for all libraries except rs, which has its own. It reads the header,
// verifies, and puts a value into the context.
func middleware(verify verifyFunc, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		token, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
		if !ok || verify(r.Context(), token) != nil {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		next.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), contextKey{}, "alice")))
	})
}

// bareMiddleware is the minimum that is needed to answer. raw is measured with it.
func bareMiddleware(verify verifyFunc, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		token, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
		if !ok || verify(r.Context(), token) != nil {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		next.ServeHTTP(w, r)
	})
}

var okHandler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(http.StatusOK) })

// ours is rs with all checks.
func ours(t testing.TB, s *setup, cached bool) http.Handler {
	keys := must[discovery.KeySet](t)(discovery.StaticKeys(s.jwks))
	if s.jwksURL != "" {
		keys = discovery.KeysAt(s.jwksURL, nil)
	}
	var tokens rs.Verifier = &rs.JWT{Issuer: issuer, Audience: audience, Keys: keys, Algs: []string{s.key.Alg}}
	if cached {
		tokens = &rs.Cache{Tokens: tokens}
	}
	return (&rs.Protection{Tokens: tokens, Logger: slog.New(slog.DiscardHandler)}).Handler(okHandler)
}

type nullWriter struct {
	header http.Header
	status int
}

func (w *nullWriter) Header() http.Header         { return w.header }
func (w *nullWriter) Write(b []byte) (int, error) { return len(b), nil }
func (w *nullWriter) WriteHeader(status int)      { w.status = status }

// caller sends the tokens to a handler, one after the other.
func caller(t testing.TB, h http.Handler, tokens []string) func() {
	requests := make([]*http.Request, len(tokens))
	for i, token := range tokens {
		requests[i] = httptest.NewRequest("GET", "/photos", nil)
		requests[i].Header.Set("Authorization", "Bearer "+token)
	}
	w := &nullWriter{header: http.Header{}}
	i := 0
	return func() {
		w.status = 0
		h.ServeHTTP(w, requests[i])
		if w.status != http.StatusOK {
			t.Fatalf("token %d: %d", i, w.status)
		}
		i = (i + 1) % len(requests)
	}
}

func decode(part string) ([]byte, error) { return base64.RawURLEncoding.DecodeString(part) }
