package bench

import (
	"crypto/sha256"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/countersign/countersign/discovery"
	"github.com/countersign/countersign/internal/jose"
	"github.com/countersign/countersign/internal/optest"
	"github.com/countersign/countersign/rs"
)

// BenchmarkDPoP verifies requests with a new token and a new proof. It compares them with the two
// bare signature checks.
func BenchmarkDPoP(b *testing.B) {
	for _, alg := range []string{"RS256", "ES256"} {
		b.Run(alg, func(b *testing.B) { benchmarkDPoP(b, alg) })
	}
}

func benchmarkDPoP(b *testing.B, alg string) {
	s, holder := newSetup(alg, 1), &setup{key: optest.NewKey("", "ES256")}
	_, thumbprint, err := jose.PublicJWK(holder.key.Private.Public())
	if err != nil {
		b.Fatal(err)
	}
	now := time.Now().Unix()
	token := s.key.Sign(map[string]any{
		"iss": issuer, "sub": "248289761001", "aud": audience, "client_id": "s6BhdRkqt3-web-application", "exp": now + 3600, "iat": now,
		"jti": "dbe39bf3a3ba4238a513f51d6e1691c4", "scope": "openid profile photos.read photos.write albums.read", "cnf": map[string]any{"jkt": thumbprint},
	}, map[string]any{"typ": "at+jwt"})
	keys, err := discovery.StaticKeys(s.jwks)
	if err != nil {
		b.Fatal(err)
	}
	p := &rs.Protection{
		Tokens: &rs.JWT{Issuer: issuer, Audience: audience, Keys: keys, Algs: []string{alg}},
		DPoP:   &rs.DPoP{BaseURL: "https://api.example.com"},
	}
	proof := proofs(holder.key, token)
	requests := make(chan *http.Request, turn)
	var last string
	fill := func() {
		r := httptest.NewRequest("GET", "/photos", nil)
		last = proof()
		r.Header["Authorization"], r.Header["Dpop"] = []string{"DPoP " + token}, []string{last}
		requests <- r
	}
	h, w := p.Handler(okHandler), &nullWriter{header: http.Header{}}
	ours := func() {
		if h.ServeHTTP(w, <-requests); w.status != http.StatusOK {
			b.Fatal(w.status)
		}
	}
	bare := func() {
		if s.signatureOnly(b.Context(), token) != nil || holder.signatureOnly(b.Context(), last) != nil {
			b.Fatal("bad")
		}
	}
	spent := inTurns(b, turn, []func(){fill, ours, bare})
	report(b, "rs, in two signatures", "", float64(spent[1])/float64(spent[2]))
}

// proofs makes different proofs.
func proofs(k optest.Key, token string) func() string {
	jwk := k.JWK()
	for _, name := range []string{"kid", "use", "alg"} {
		delete(jwk, name)
	}
	sum := sha256.Sum256([]byte(token))
	n := 0
	return func() string {
		n++
		return k.Sign(map[string]any{
			"jti": fmt.Sprintf("9e0f4c1b2a-%08d", n), "htm": "GET", "htu": "https://api.example.com/photos", "iat": time.Now().Unix(), "ath": optest.B64(sum[:]),
		}, map[string]any{"typ": "dpop+jwt", "kid": nil, "jwk": jwk})
	}
}

// BenchmarkLoopback sends requests over 64 connections with 1,000 tokens. It reports the
// throughput as a multiple of that of a handler without authentication. Clients and server share
// the machine.
func BenchmarkLoopback(b *testing.B) {
	s := newSetup("RS256", 1000)
	plain := httptest.NewServer(okHandler)
	defer plain.Close()
	cached := httptest.NewServer(ours(b, s, true))
	defer cached.Close()
	first := httptest.NewServer(ours(b, s, false))
	defer first.Close()
	transport := &http.Transport{MaxIdleConnsPerHost: 64, MaxConnsPerHost: 64}
	defer transport.CloseIdleConnections()
	var calls []func()
	for _, server := range []*httptest.Server{plain, cached, first} {
		calls = append(calls, func() { crowd(b, &http.Client{Transport: transport}, server.URL, s.tokens) })
	}
	spent := inTurns(b, 1, calls)
	report(b, "rs, cached", "of plain", float64(spent[0])/float64(spent[1]))
	report(b, "rs, first sight", "of plain", float64(spent[0])/float64(spent[2]))
}

// crowd sends 1,000 requests, 64 at once.
func crowd(b *testing.B, hc *http.Client, url string, tokens []string) {
	var next atomic.Int64
	var all sync.WaitGroup
	for range 64 {
		all.Go(func() {
			for i := next.Add(1); i <= 1000; i = next.Add(1) {
				r, _ := http.NewRequest("GET", url, nil)
				r.Header.Set("Authorization", "Bearer "+tokens[int(i)%len(tokens)])
				resp, err := hc.Do(r)
				if err != nil {
					b.Error(err)
					return
				}
				io.Copy(io.Discard, resp.Body)
				resp.Body.Close()
				if resp.StatusCode != http.StatusOK {
					b.Errorf("%d", resp.StatusCode)
				}
			}
		})
	}
	all.Wait()
}
