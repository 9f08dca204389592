package rs_test

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/countersign/countersign/internal/jose"
	"github.com/countersign/countersign/internal/optest"
	"github.com/countersign/countersign/rs"
)

// holder is a client with a DPoP key.
type holder struct {
	key        optest.Key
	thumbprint string
	jwk        m
	count      int
}

func newHolder(t testing.TB) *holder {
	h := &holder{key: optest.NewKey("", "ES256")}
	_, thumbprint, err := jose.PublicJWK(h.key.Private.Public())
	if err != nil {
		t.Fatal(err)
	}
	h.thumbprint, h.jwk = thumbprint, h.key.JWK()
	for _, name := range []string{"kid", "use", "alg"} {
		delete(h.jwk, name)
	}
	return h
}

// proof is a valid proof for GET of url, with changes.
func (h *holder) proof(token, url string, changes m) string {
	h.count++
	sum := sha256.Sum256([]byte(token))
	claims := m{"jti": fmt.Sprint("jti-", h.count), "htm": "GET", "htu": url, "iat": time.Now().Unix(), "ath": optest.B64(sum[:])}
	maps.Copy(claims, changes)
	return h.key.Sign(claims, m{"typ": "dpop+jwt", "kid": nil, "jwk": h.jwk})
}

func dpopHeader(token string, proofs ...string) http.Header {
	return http.Header{"Authorization": {"DPoP " + token}, "Dpop": proofs}
}

const base = "https://api.example/v1"

func withDPoP(v rs.Verifier, d *rs.DPoP) *rs.Protection {
	p := quiet(v)
	if d.BaseURL == "" {
		d.BaseURL = base
	}
	p.DPoP = d
	return p
}

// TestDPoP: RFC 9449 §7.1, §7.2. RS-09, RS-13.
func TestDPoP(t *testing.T) {
	s := optest.New(t)
	h, thief := newHolder(t), newHolder(t)
	bound := s.AccessToken(m{"cnf": m{"jkt": h.thumbprint}}, nil)
	noted := s.AccessToken(m{"cnf": m{"jkt": h.thumbprint, "kc-jkt-type": "x"}}, nil) // as Keycloak writes it
	free := s.AccessToken(nil, nil)
	const url = base + "/photos"
	const algs = `algs="ES256 EdDSA Ed25519 PS256 RS256"`
	for _, test := range []struct {
		name      string
		header    http.Header
		edit      func(*rs.DPoP)
		status    int
		challenge string
	}{
		{"good", dpopHeader(bound, h.proof(bound, url, nil)), nil, 200, ""},
		{"with a note of the server's in cnf", dpopHeader(noted, h.proof(noted, url, nil)), nil, 200, ""},
		{"with a note in cnf, as Bearer", bearer(noted), nil, 401, `Bearer|DPoP error="invalid_token"`},
		{"the scheme in small letters", http.Header{"Authorization": {"dpop " + bound}, "Dpop": {h.proof(bound, url, nil)}}, nil, 200, ""},
		{"an unbound token as Bearer", bearer(free), nil, 200, ""},
		{"an unbound token as Bearer, DPoP required", bearer(free), func(d *rs.DPoP) { d.Required = true }, 401, `DPoP error="invalid_token", error_description="the access token is not valid here", ` + algs},
		{"a bound token as Bearer", bearer(bound), nil, 401, `Bearer|DPoP error="invalid_token", error_description="the access token is not valid here", ` + algs},
		{"a bound token as Bearer with its proof", http.Header{"Authorization": {"Bearer " + bound}, "Dpop": {h.proof(bound, url, nil)}}, nil, 401, `Bearer|DPoP error="invalid_token"`},
		{"an unbound token by DPoP", dpopHeader(free, h.proof(free, url, nil)), nil, 401, `Bearer|DPoP error="invalid_token"`},
		{"no proof", dpopHeader(bound), nil, 401, `Bearer|DPoP error="invalid_dpop_proof", error_description="the DPoP proof is not valid here", ` + algs},
		{"two proofs", dpopHeader(bound, h.proof(bound, url, nil), h.proof(bound, url, nil)), nil, 401, `Bearer|DPoP error="invalid_dpop_proof"`},
		{"two proofs in one field", dpopHeader(bound, h.proof(bound, url, nil)+", "+h.proof(bound, url, nil)), nil, 401, `Bearer|DPoP error="invalid_dpop_proof"`},
		{"another's proof", dpopHeader(bound, thief.proof(bound, url, nil)), nil, 401, `Bearer|DPoP error="invalid_token"`},
		{"of another token", dpopHeader(bound, h.proof(free, url, nil)), nil, 401, `Bearer|DPoP error="invalid_dpop_proof"`},
		{"of another URL", dpopHeader(bound, h.proof(bound, base+"/other", nil)), nil, 401, `Bearer|DPoP error="invalid_dpop_proof"`},
		{"of the Host header's URL", dpopHeader(bound, h.proof(bound, "http://example.com/photos", nil)), nil, 401, `Bearer|DPoP error="invalid_dpop_proof"`},
		{"of another method", dpopHeader(bound, h.proof(bound, url, m{"htm": "POST"})), nil, 401, `Bearer|DPoP error="invalid_dpop_proof"`},
		{"old", dpopHeader(bound, h.proof(bound, url, m{"iat": time.Now().Unix() - 90})), nil, 401, `Bearer|DPoP error="invalid_dpop_proof"`},
		{"by an algorithm that is not taken", dpopHeader(bound, h.proof(bound, url, nil)), func(d *rs.DPoP) { d.Algs = []string{"PS256"} }, 401, `Bearer|DPoP error="invalid_dpop_proof", error_description="the DPoP proof is not valid here", algs="PS256"`},
		{"a bad token", dpopHeader("x", h.proof("x", url, nil)), nil, 401, `Bearer|DPoP error="invalid_token"`},
		{"no token", nil, nil, 401, "Bearer|DPoP " + algs},
		{"no base URL", dpopHeader(bound, h.proof(bound, url, nil)), func(d *rs.DPoP) { d.BaseURL = "/" }, 503, ""},
		{"a base URL with a query", dpopHeader(bound, h.proof(bound, url, nil)), func(d *rs.DPoP) { d.BaseURL = base + "?" }, 503, ""},
		{"a short nonce key", dpopHeader(bound, h.proof(bound, url, nil)), func(d *rs.DPoP) { d.NonceKey = make([]byte, 31) }, 503, ""},
		{"a symmetric algorithm", dpopHeader(bound, h.proof(bound, url, nil)), func(d *rs.DPoP) { d.Algs = []string{"HS256"} }, 503, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			d := &rs.DPoP{}
			if test.edit != nil {
				test.edit(d)
			}
			w := ask(withDPoP(jwtVerifier(s), d), test.header, "/photos?x=1")
			got := strings.Join(w.Header().Values("WWW-Authenticate"), "|")
			if w.Code != test.status || !strings.HasPrefix(got, test.challenge) {
				t.Errorf("%d %s %s", w.Code, got, w.Body)
			}
		})
	}
	if w := ask(quiet(jwtVerifier(s)), bearer(bound), "/"); w.Code != 401 || w.Header().Get("WWW-Authenticate") != `Bearer error="invalid_token", error_description="the access token is not valid here"` {
		t.Errorf("where nobody takes DPoP: %d %v", w.Code, w.Header())
	}
	if w := ask(quiet(jwtVerifier(s)), dpopHeader(free, h.proof(free, url, nil)), "/"); w.Code != 401 {
		t.Errorf("the scheme where nobody takes it: %d", w.Code)
	}
}

// TestDPoPIntrospected: cnf is enforced for every verifier, also for one of the application.
// RS-14.
func TestDPoPIntrospected(t *testing.T) {
	s := optest.New(t)
	h := newHolder(t)
	s.Active = m{"active": true, "sub": "alice", "client_id": "rp", "aud": optest.Audience, "scope": "photos.read", "token_type": "DPoP", "cnf": m{"jkt": h.thumbprint}}
	own := verifierFunc(func(context.Context, string) (*rs.Principal, error) {
		return &rs.Principal{Subject: "alice", Scopes: []string{"photos.read"}, Cnf: rs.Confirmation{KeyThumbprint: h.thumbprint}}, nil
	})
	for name, v := range map[string]rs.Verifier{
		"introspection": introspection(s), "either": &rs.JWTOrOpaque{JWT: jwtVerifier(s), Opaque: introspection(s)}, "own": own,
	} {
		p := withDPoP(v, &rs.DPoP{})
		if w := ask(p, dpopHeader("canary-opaque", h.proof("canary-opaque", base+"/", nil)), "/"); w.Code != 200 {
			t.Errorf("%s: %d %s", name, w.Code, w.Body)
		}
		if w := ask(p, bearer("canary-opaque"), "/"); w.Code != 401 {
			t.Errorf("%s, as Bearer: %d", name, w.Code)
		}
		if w := ask(quiet(v), bearer("canary-opaque"), "/"); w.Code != 401 {
			t.Errorf("%s, without DPoP: %d", name, w.Code)
		}
	}
}

type verifierFunc func(context.Context, string) (*rs.Principal, error)

func (f verifierFunc) VerifyToken(ctx context.Context, token string) (*rs.Principal, error) {
	return f(ctx, token)
}

// TestReplay: of many requests with one proof, one is accepted. RS-11.
func TestReplay(t *testing.T) {
	s := optest.New(t)
	h := newHolder(t)
	token := s.AccessToken(m{"cnf": m{"jkt": h.thumbprint}}, nil)
	p := withDPoP(jwtVerifier(s), &rs.DPoP{})
	proof := h.proof(token, base+"/", nil)
	var good, refused atomic.Int32
	var all sync.WaitGroup
	for range 20 {
		all.Go(func() {
			switch w := ask(p, dpopHeader(token, proof), "/"); w.Code {
			case 200:
				good.Add(1)
			case 401:
				refused.Add(1)
			}
		})
	}
	all.Wait()
	if good.Load() != 1 || refused.Load() != 19 {
		t.Errorf("%d got through, %d were refused", good.Load(), refused.Load())
	}
	other := newHolder(t)
	otherToken := s.AccessToken(m{"cnf": m{"jkt": other.thumbprint}}, nil)
	if w := ask(p, dpopHeader(otherToken, other.proof(otherToken, base+"/", m{"jti": "jti-1"})), "/"); w.Code != 200 {
		t.Errorf("another client's jti: %d", w.Code)
	}
}

type storeFunc func(key string, until time.Time) (bool, error)

func (f storeFunc) Once(_ context.Context, key string, until time.Time) (bool, error) {
	return f(key, until)
}

// TestReplayStore: the store is called after all other checks, with a sufficient duration. An
// error of the store rejects the request. RS-11.
func TestReplayStore(t *testing.T) {
	s := optest.New(t)
	h := newHolder(t)
	token := s.AccessToken(m{"cnf": m{"jkt": h.thumbprint}}, nil)
	var keys []string
	d := &rs.DPoP{Replay: storeFunc(func(key string, until time.Time) (bool, error) {
		keys = append(keys, key)
		if left := time.Until(until); left < 185*time.Second || left > 190*time.Second { // MaxAge, MaxAhead, and 2 minutes
			t.Errorf("remembered for %v", left)
		}
		return true, nil
	})}
	p := withDPoP(jwtVerifier(s), d)
	ask(p, dpopHeader(token, h.proof(token, base+"/other", nil)), "/")
	if len(keys) != 0 {
		t.Error("a bad proof takes room in the store")
	}
	for range 2 {
		if w := ask(p, dpopHeader(token, h.proof(token, base+"/", nil)), "/"); w.Code != 200 {
			t.Errorf("%d", w.Code)
		}
	}
	if len(keys) != 2 || keys[0] == keys[1] || strings.Contains(keys[0], "jti") {
		t.Errorf("keys %q", keys)
	}
	d.Replay = storeFunc(func(string, time.Time) (bool, error) { return true, errors.New("down") })
	if w := ask(p, dpopHeader(token, h.proof(token, base+"/", nil)), "/"); w.Code != 503 {
		t.Errorf("a store that is down: %d", w.Code)
	}
}

// TestNonces: nonces rotate, need no state, and are required once they are enabled. RS-12.
func TestNonces(t *testing.T) {
	s := optest.New(t)
	h := newHolder(t)
	token := s.AccessToken(m{"cnf": m{"jkt": h.thumbprint}}, nil)
	clock := time.Now()
	machine := func(key string) *rs.Protection {
		return withDPoP(jwtVerifier(s), &rs.DPoP{NonceKey: []byte(strings.Repeat(key, 32)), Now: func() time.Time { return clock }})
	}
	one, two, foreign := machine("a"), machine("a"), machine("b")
	send := func(p *rs.Protection, nonce any) *httptest.ResponseRecorder {
		changes := m{"iat": clock.Unix()}
		if nonce != nil {
			changes["nonce"] = nonce
		}
		return ask(p, dpopHeader(token, h.proof(token, base+"/", changes)), "/")
	}
	w := send(one, nil)
	nonce := w.Header().Get("DPoP-Nonce")
	if w.Code != 401 || nonce == "" || !strings.Contains(strings.Join(w.Header().Values("WWW-Authenticate"), ""), `error="use_dpop_nonce"`) {
		t.Fatalf("%d %v", w.Code, w.Header())
	}
	for name, p := range map[string]*rs.Protection{"one": one, "two": two} {
		if w := send(p, nonce); w.Code != 200 || w.Header().Get("DPoP-Nonce") != nonce || w.Header().Get("Cache-Control") != "no-store" {
			t.Errorf("machine %s: %d %v", name, w.Code, w.Header())
		}
	}
	for name, bad := range map[string]any{"none": nil, "empty": "", "wrong": "x", "longer": nonce + "A"} {
		if w := send(one, bad); w.Code != 401 {
			t.Errorf("%s: %d", name, w.Code)
		}
	}
	if w := send(foreign, nonce); w.Code != 401 {
		t.Errorf("of another key: %d", w.Code)
	}
	clock = clock.Add(2 * time.Minute)
	w = send(one, nonce)
	if next := w.Header().Get("DPoP-Nonce"); w.Code != 200 || next == nonce || next == "" {
		t.Errorf("the nonce before: %d %v", w.Code, w.Header())
	}
	clock = clock.Add(2 * time.Minute)
	if w := send(one, nonce); w.Code != 401 || w.Header().Get("DPoP-Nonce") == nonce {
		t.Errorf("an old nonce: %d", w.Code)
	}
}

// TestOddPath: an escaped slash in a path is not a slash.
func TestOddPath(t *testing.T) {
	s := optest.New(t)
	h := newHolder(t)
	token := s.AccessToken(m{"cnf": m{"jkt": h.thumbprint}}, nil)
	p := withDPoP(jwtVerifier(s), &rs.DPoP{BaseURL: "https://api.example/"})
	for _, target := range []string{"/a%2fb|c", "http://elsewhere.example/a%2fb|c"} {
		for url, want := range map[string]bool{"https://api.example/a%2Fb|c": true, "https://api.example/a%2fb%7cc": true, "https://api.example/a/b|c": false} {
			for _, kept := range []bool{true, false} {
				r := httptest.NewRequest("GET", target, nil)
				if !kept {
					r.RequestURI = ""
				}
				maps.Copy(r.Header, dpopHeader(token, h.proof(token, url, nil)))
				if _, err := p.Check(r); (err == nil) != want {
					t.Errorf("%s for %s: %v", url, target, err)
				}
			}
		}
	}
}

// TestPrefix: behind a router that removes a prefix, a proof must have the address that the
// client uses.
func TestPrefix(t *testing.T) {
	s := optest.New(t)
	h := newHolder(t)
	token := s.AccessToken(m{"cnf": m{"jkt": h.thumbprint}}, nil)
	p := withDPoP(jwtVerifier(s), &rs.DPoP{BaseURL: "https://api.example/"})
	handler := http.StripPrefix("/a", p.Handler(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})))
	for url, want := range map[string]int{"https://api.example/a/b": 200, "https://api.example/b": 401} {
		for _, target := range []string{"/a/b?q", "http://elsewhere.example/a/b"} {
			r := httptest.NewRequest("GET", target, nil)
			maps.Copy(r.Header, dpopHeader(token, h.proof(token, url, nil)))
			w := httptest.NewRecorder()
			handler.ServeHTTP(w, r)
			if w.Code != want {
				t.Errorf("%s for %s: %d %s", url, target, w.Code, w.Body)
			}
		}
	}
}
