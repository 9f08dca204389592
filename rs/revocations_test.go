package rs_test

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"math/big"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/countersign/countersign/internal/optest"
	"github.com/countersign/countersign/rs"
)

// revoking is an API with a cache and a list of revocations.
func revoking(s *optest.Server, v *rs.Revocations) func(token string) int {
	p := quiet(&rs.Cache{Tokens: &rs.JWTOrOpaque{JWT: jwtVerifier(s), Opaque: introspection(s)}})
	p.Revocation = []rs.RevocationCheck{v}
	return func(token string) int { return ask(p, bearer(token), "/").Code }
}

// TestRevocations: an entry of each kind rejects its tokens, even cached ones, and no others.
// REV-01.
func TestRevocations(t *testing.T) {
	s := optest.New(t)
	at := time.Now().Truncate(time.Second)
	token := func(jti, sid, sub, client string, iat time.Time) string {
		return s.AccessToken(m{"jti": jti, "sid": sid, "sub": sub, "client_id": client, "iat": iat.Unix(), "exp": at.Unix() + 600}, nil)
	}
	past := at.Add(-time.Minute)
	mine := token("t1", "s1", "alice", "rp", past)
	for _, test := range []struct {
		name   string
		access rs.RevokedAccess
		other  string // stays valid
	}{
		{"jti", rs.RevokedAccess{Issuer: s.URL, TokenID: "t1"}, token("t2", "s1", "alice", "rp", past)},
		{"token", rs.RevokedAccess{Token: mine}, token("t2", "s1", "alice", "rp", past)},
		{"session", rs.RevokedAccess{Issuer: s.URL, SessionID: "s1"}, token("t2", "s2", "alice", "rp", past)},
		{"another user", rs.RevokedAccess{Issuer: s.URL, Subject: "alice", Before: at}, token("t2", "s2", "bob", "rp", past)},
		{"issued later", rs.RevokedAccess{Issuer: s.URL, Subject: "alice", Before: at.Add(-30 * time.Second)}, token("t2", "s1", "alice", "rp", at)},
		{"client", rs.RevokedAccess{Issuer: s.URL, ClientID: "rp", Before: at}, token("t2", "s1", "alice", "other", past)},
		{"client, issued later", rs.RevokedAccess{Issuer: s.URL, ClientID: "rp", Before: past}, token("t2", "s1", "alice", "rp", at)},
		{"issuer", rs.RevokedAccess{Issuer: s.URL, All: true, Before: past}, token("t2", "s1", "alice", "rp", at)},
		{"the same second", rs.RevokedAccess{Issuer: s.URL, Subject: "alice", Before: past}, token("t2", "s1", "alice", "rp", past.Add(time.Second))},
	} {
		t.Run(test.name, func(t *testing.T) {
			counter := &tally{}
			v := &rs.Revocations{Counter: counter}
			status := revoking(s, v)
			for range 2 { // the second is from the cache
				if status(mine) != 200 || status(test.other) != 200 {
					t.Fatal("rejected before")
				}
			}
			if err := v.Revoke(t.Context(), test.access); err != nil {
				t.Fatal(err)
			}
			if status(mine) != 401 || status(test.other) != 200 {
				t.Errorf("%d for the token, %d for another", status(mine), status(test.other))
			}
			if err := v.Ready(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
	for name, access := range map[string]rs.RevokedAccess{
		"jti": {Issuer: "https://x.example", TokenID: "t1"}, "session": {Issuer: "https://x.example", SessionID: "s1"},
		"user": {Issuer: "https://x.example", Subject: "alice", Before: at}, "issuer": {Issuer: "https://x.example", All: true, Before: at},
		"a name of another kind": {Issuer: s.URL, SessionID: "t1"}, "issuer and name that run together": {Issuer: s.URL[:len(s.URL)-1], SessionID: s.URL[len(s.URL)-1:] + "s1"},
	} {
		v := &rs.Revocations{}
		if err := v.Revoke(t.Context(), access); err != nil || revoking(s, v)(mine) != 200 {
			t.Errorf("another issuer's %s rejects ours: %v", name, err)
		}
	}
}

// TestRevocationsUnknownTime: a token without iat counts as older than every entry. REV-02.
func TestRevocationsUnknownTime(t *testing.T) {
	s := optest.New(t)
	s.Active = m{"active": true, "sub": "alice", "aud": optest.Audience, "client_id": "rp", "scope": "photos.read", "token_type": "Bearer"}
	v := &rs.Revocations{}
	status := revoking(s, v)
	if status("canary-opaque") != 200 {
		t.Fatal("rejected before")
	}
	if err := v.EndAccess(t.Context(), s.URL, "alice", "", time.Now()); err != nil || status("canary-opaque") != 401 {
		t.Errorf("%v: a cached introspection answer goes on", err)
	}
}

// TestRevocationsSignature: an ECDSA signature has two forms. Both are the same token. REV-03.
func TestRevocationsSignature(t *testing.T) {
	s := optest.New(t)
	s.Keys = []optest.Key{optest.NewKey("k1", "ES256")}
	j := jwtVerifier(s)
	j.Algs = []string{"ES256"}
	v := &rs.Revocations{}
	p := quiet(j)
	p.Revocation = []rs.RevocationCheck{v}
	token := s.AccessToken(nil, nil)
	twin := twinOf(t, token)
	if ask(p, bearer(token), "/").Code != 200 || ask(p, bearer(twin), "/").Code != 200 || twin == token {
		t.Fatal("the second way to write it is not good")
	}
	if err := v.Revoke(t.Context(), rs.RevokedAccess{Token: token}); err != nil {
		t.Fatal(err)
	}
	if ask(p, bearer(token), "/").Code != 401 || ask(p, bearer(twin), "/").Code != 401 {
		t.Error("the token, or its twin, goes on")
	}
}

// twinOf negates S of the signature.
func twinOf(t *testing.T, token string) string {
	t.Helper()
	i := strings.LastIndexByte(token, '.')
	sig, err := base64.RawURLEncoding.DecodeString(token[i+1:])
	if err != nil || len(sig) != 64 {
		t.Fatal(err)
	}
	order, _ := new(big.Int).SetString("ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551", 16)
	other := new(big.Int).Sub(order, new(big.Int).SetBytes(sig[32:]))
	return token[:i+1] + optest.B64(append(sig[:32:32], other.FillBytes(make([]byte, 32))...))
}

// TestRevocationsLife: a token with a longer life than TokenLife is rejected, and the error
// contains TokenLife. REV-04.
func TestRevocationsLife(t *testing.T) {
	s := optest.New(t)
	v := &rs.Revocations{TokenLife: time.Hour}
	now := time.Now().Unix()
	for life, want := range map[int64]bool{3600: true, 3601: false} {
		err := check(t, s, v, m{"iat": now, "exp": now + life})
		if (err == nil) != want || err != nil && !strings.Contains(err.Error(), "Revocations.TokenLife") {
			t.Errorf("%d seconds: %v", life, err)
		}
	}
}

// TestRevocationsNoIAT: a JWT without iat is rejected also in its last TokenLife, when its entry
// may have expired.
func TestRevocationsNoIAT(t *testing.T) {
	s := optest.New(t)
	v := &rs.Revocations{TokenLife: time.Hour}
	p := &rs.Principal{Issuer: s.URL, Subject: "alice", Expiry: time.Now().Add(time.Minute)}
	if err := v.CheckRevocation(t.Context(), "a.b.c", p); err == nil || !strings.Contains(err.Error(), "no iat") {
		t.Errorf("no iat: %v", err)
	}
	p.IssuedAt = time.Now()
	if err := v.CheckRevocation(t.Context(), "a.b.c", p); err != nil {
		t.Errorf("iat: %v", err)
	}
}

// TestRevocationsFraction: a fraction in iat is ignored.
func TestRevocationsFraction(t *testing.T) {
	s := optest.New(t)
	v := &rs.Revocations{}
	at := time.Now().Truncate(time.Second).Add(-time.Minute)
	if err := v.Revoke(t.Context(), rs.RevokedAccess{Issuer: s.URL, Subject: "alice", Before: at}); err != nil {
		t.Fatal(err)
	}
	for offset, want := range map[float64]bool{0.5: false, 1: true} {
		err := check(t, s, v, m{"sub": "alice", "iat": float64(at.Unix()) + offset, "exp": at.Unix() + 600})
		if (err == nil) != want {
			t.Errorf("iat %v seconds after Before: %v", offset, err)
		}
	}
}

func check(t *testing.T, s *optest.Server, v *rs.Revocations, claims m) error {
	t.Helper()
	token := s.AccessToken(claims, nil)
	p, err := jwtVerifier(s).VerifyToken(t.Context(), token)
	if err != nil {
		t.Fatal(err)
	}
	return v.CheckRevocation(t.Context(), token, p)
}

// TestRevocationsExpire: an entry is removed when all its tokens have expired. REV-05.
func TestRevocationsExpire(t *testing.T) {
	clock := time.Now()
	v := &rs.Revocations{Size: 100, TokenLife: time.Hour, Now: func() time.Time { return clock }}
	fill := func() (last error) {
		for i := range 100 {
			last = errors.Join(last, v.Revoke(t.Context(), rs.RevokedAccess{Issuer: "i", SessionID: fmt.Sprint(clock.Unix(), i)}))
		}
		return last
	}
	if err := fill(); err != nil {
		t.Fatal(err)
	}
	p := &rs.Principal{Issuer: "i", SessionID: fmt.Sprint(clock.Unix(), 7)}
	clock = clock.Add(time.Hour)
	if v.CheckRevocation(t.Context(), "x", p) == nil {
		t.Error("gone before the last token has expired")
	}
	if err := v.EndAccess(t.Context(), "i", "", "one more", clock); err == nil || !strings.Contains(err.Error(), "Revocations.Size") {
		t.Errorf("more than Size: %v", err)
	}
	if v.CheckRevocation(t.Context(), "x", p) == nil {
		t.Error("what was there was pushed out")
	}
	clock = clock.Add(6 * time.Minute)
	if err := v.CheckRevocation(t.Context(), "x", p); err != nil {
		t.Errorf("still there: %v", err)
	}
	if err := fill(); err != nil {
		t.Errorf("no room was made: %v", err)
	}
	if err := v.Revoke(t.Context(), rs.RevokedAccess{Issuer: "i", Subject: "x", Before: clock.Add(-2 * time.Hour)}); err != nil {
		t.Errorf("an entry that concerns nothing any more: %v", err)
	}
}

// TestRevocationsMemory: an entry needs at most 128 bytes, for any number of entries. REV-06.
func TestRevocationsMemory(t *testing.T) {
	for _, n := range []int{10_000, 50_000, 100_000, 130_000} {
		v := &rs.Revocations{}
		before := heapOf()
		for i := range n {
			if err := v.EndAccess(t.Context(), "https://as.example", "", fmt.Sprint("session ", i), time.Time{}); err != nil {
				t.Fatal(err)
			}
		}
		each := float64(heapOf()-before) / float64(n)
		t.Logf("%d entries: %.0f bytes each", n, each)
		if each > 128 {
			t.Errorf("%d entries: %.0f bytes each", n, each)
		}
		runtime.KeepAlive(v)
	}
}

func heapOf() int64 {
	var s runtime.MemStats
	for range 3 { // values in pools and values with finalizers need more than one
		runtime.GC()
	}
	runtime.ReadMemStats(&s)
	return int64(s.HeapAlloc)
}

// TestRevocationsCrowd: many goroutines add 100,000 entries while requests are checked. No entry
// is lost, and no other request is rejected. REV-07.
func TestRevocationsCrowd(t *testing.T) {
	const n, writers = 100_000, 4
	v := &rs.Revocations{}
	good := &rs.Principal{Issuer: "i", SessionID: "never revoked", Subject: "alice"}
	var all sync.WaitGroup
	for w := range writers {
		all.Go(func() {
			for i := w; i < n; i += writers {
				sid := fmt.Sprint(i)
				if err := v.EndAccess(t.Context(), "i", "", sid, time.Time{}); err != nil {
					t.Error(err)
					return
				}
				if v.CheckRevocation(t.Context(), "x", &rs.Principal{Issuer: "i", SessionID: sid}) == nil {
					t.Error("not rejected at once")
					return
				}
				if err := v.CheckRevocation(t.Context(), "x", good); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	all.Wait()
	for i := range n {
		if v.CheckRevocation(t.Context(), "x", &rs.Principal{Issuer: "i", SessionID: fmt.Sprint(i)}) == nil {
			t.Fatalf("session %d is lost", i)
		}
	}
}

type failingVerifier struct{ err error }

func (f failingVerifier) VerifyToken(context.Context, string) (*rs.Principal, error) {
	return nil, f.err
}

// tally is a Counter for many goroutines.
type tally struct {
	mu sync.Mutex
	n  map[rs.Event]int
}

func (c *tally) Count(_ context.Context, event rs.Event, _ string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.n == nil {
		c.n = map[rs.Event]int{}
	}
	c.n[event]++
}

func (c *tally) has(event rs.Event) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.n[event] > 0
}

// TestRevocationsRefuses: wrong settings and arguments. The error contains the setting. REV-10.
func TestRevocationsRefuses(t *testing.T) {
	at := time.Now()
	for wrong, v := range map[string]*rs.Revocations{
		"Revocations.Size": {Size: -1}, "Revocations.TokenLife": {TokenLife: -1}, "Revocations.StaleFor": {StaleFor: -1},
		"Revocations.SharedKey": {Shared: &sharedLog{}, SharedKey: []byte("canary-short")}, "the *Revocations is nil": nil,
	} {
		for _, err := range []error{
			v.CheckRevocation(t.Context(), "x", &rs.Principal{}), v.Ready(t.Context()), v.Run(t.Context()), v.EndAccess(t.Context(), "i", "", "s", at),
		} {
			if err == nil || !strings.Contains(err.Error(), wrong) {
				t.Errorf("%v, want %s", err, wrong)
			}
		}
	}
	if err := new(rs.Revocations).Run(t.Context()); err == nil {
		t.Error("Run without Shared")
	}
	for name, a := range map[string]rs.RevokedAccess{
		"nothing": {Issuer: "i"}, "two": {Issuer: "i", SessionID: "s", TokenID: "t"}, "no issuer": {SessionID: "s"}, "no instant": {Issuer: "i", Subject: "a"},
		"an instant to come": {Issuer: "i", All: true, Before: at.Add(time.Hour)}, "all and one": {Issuer: "i", All: true, SessionID: "s", Before: at},
	} {
		if err := new(rs.Revocations).Revoke(t.Context(), a); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
	s := optest.New(t)
	p := quiet(jwtVerifier(s))
	p.Revocation = []rs.RevocationCheck{nil}
	if w := ask(p, bearer(s.AccessToken(nil, nil)), "/"); w.Code != 503 {
		t.Errorf("a nil check: %d", w.Code)
	}
	if text := fmt.Sprintf("%v %+v %#v", rs.RevokedAccess{Token: "canary-token"}, rs.RevokedAccess{Token: "canary-token"}, rs.RevokedAccess{Token: "canary-token"}); strings.Contains(text, "canary") {
		t.Error("prints the token")
	}
}

// TestRevocationsUnreadableSession: a sid that is not a string counts as absent. If sessions were
// revoked, the token is rejected, because it may belong to one of them. REV-01.
func TestRevocationsUnreadableSession(t *testing.T) {
	s := optest.New(t)
	v := &rs.Revocations{}
	status := revoking(s, v)
	now := time.Now().Unix()
	token := func(sid any) string {
		return s.AccessToken(m{"jti": "t1", "sid": sid, "sub": "alice", "client_id": "rp", "iat": now, "exp": now + 600}, nil)
	}
	number, other := token(123), token("124")
	if status(number) != 200 || status(other) != 200 {
		t.Fatal("rejected before")
	}
	if err := v.EndAccess(t.Context(), s.URL, "alice", "123", time.Now()); err != nil {
		t.Fatal(err)
	}
	if status(number) != 401 || status(other) != 200 {
		t.Errorf("%d for sid 123, %d for another session", status(number), status(other))
	}
}
