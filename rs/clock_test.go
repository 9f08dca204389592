package rs_test

import (
	"math"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/countersign/countersign/internal/optest"
	"github.com/countersign/countersign/rs"
)

// TestClocksDiffer: the error says that the clocks differ, by how much, in which direction,
// and which setting allows more.
func TestClocksDiffer(t *testing.T) {
	s := optest.New(t)
	now := time.Unix(1_800_000_000, 0)
	for name, test := range map[string]struct {
		claims m
		want   []string
	}{
		"issued ahead":    {m{"iat": now.Unix() + 90, "exp": now.Unix() + 900}, []string{"the clocks differ", "1m30s ahead of the local clock", "expected at most 30s"}},
		"valid ahead":     {m{"nbf": now.Unix() + 3600, "iat": now.Unix(), "exp": now.Unix() + 7200}, []string{"the clocks differ", "nbf", "1h ahead"}},
		"local one ahead": {m{"iat": now.Unix() - 900, "exp": now.Unix() - 600}, []string{"expired", "10m before the local clock"}},
		"just expired":    {m{"iat": now.Unix() - 400, "exp": now.Unix() - 100}, []string{"expired", "the local clock is ahead by 6m40s"}},
	} {
		j, i := jwtVerifier(s), introspection(s)
		j.Now, i.Now = func() time.Time { return now }, func() time.Time { return now }
		s.Active = m{"active": true, "sub": "alice", "aud": optest.Audience}
		for claim, value := range test.claims {
			s.Active[claim] = value
		}
		for token, v := range map[string]rs.Verifier{s.AccessToken(test.claims, nil): j, "canary-opaque": i} {
			_, err := v.VerifyToken(t.Context(), token)
			for _, want := range test.want {
				if err == nil || !strings.Contains(err.Error(), want) {
					t.Errorf("%s, %T: %v; want %q", name, v, err, want)
				}
			}
		}
	}
}

// TestMissingIsMissing: a claim that is missing is reported as missing, and never as an
// empty value.
func TestMissingIsMissing(t *testing.T) {
	s := optest.New(t)
	for _, claim := range []string{"iss", "aud", "sub", "client_id", "iat", "jti", "exp"} {
		_, err := jwtVerifier(s).VerifyToken(t.Context(), s.AccessToken(m{claim: nil}, nil))
		if err == nil || !strings.Contains(err.Error(), claim+" is missing") || strings.Contains(err.Error(), `""`) {
			t.Errorf("%s: %v", claim, err)
		}
	}
	_, err := rs.Issuers{jwtVerifier(s)}.VerifyToken(t.Context(), s.AccessToken(m{"iss": nil}, nil))
	if err == nil || !strings.Contains(err.Error(), "iss is missing") {
		t.Errorf("Issuers: %v", err)
	}
	s.Active = m{"active": true, "sub": "alice"}
	if _, err := introspection(s).VerifyToken(t.Context(), "canary-opaque"); err == nil || !strings.Contains(err.Error(), "aud is missing") {
		t.Errorf("Introspection: %v", err)
	}
}

// TestLongDurations: durations close to the largest one do not overflow.
func TestLongDurations(t *testing.T) {
	s := optest.New(t)
	p := quiet(jwtVerifier(s))
	for _, age := range []time.Duration{math.MaxInt64, math.MaxInt64 - 1, math.MaxInt64 - time.Minute} {
		if w := through(p, rs.RequireMaxAge(age), s.AccessToken(m{"auth_time": time.Now().Unix() - 60}, nil)); w.Code != 200 {
			t.Errorf("%v: %d", age, w.Code)
		}
		if w := through(p, rs.RequireMaxAge(age), s.AccessToken(m{"auth_time": time.Now().Unix() + 3600}, nil)); w.Code != 401 {
			t.Errorf("%v, of a time to come: %d", age, w.Code)
		}
		if w := through(p, rs.RequireMaxAge(-age), s.AccessToken(m{"auth_time": time.Now().Unix()}, nil)); w.Code != 401 {
			t.Errorf("%v: %d", -age, w.Code)
		}
		j := jwtVerifier(s)
		j.Skew = age
		if w := ask(quiet(j), bearer(s.AccessToken(nil, nil)), "/"); w.Code != 503 {
			t.Errorf("Skew %v: %d", age, w.Code)
		}
	}
}

// TestDPoPWindow: MaxAge and MaxAhead of a proof are settings. With nonces they are minutes (RFC
// 9449 §11.1). RS-10.
func TestDPoPWindow(t *testing.T) {
	s := optest.New(t)
	h := newHolder(t)
	token := s.AccessToken(m{"cnf": m{"jkt": h.thumbprint}}, nil)
	key := []byte(strings.Repeat("k", 32))
	for _, test := range []struct {
		d       *rs.DPoP
		seconds int64
		status  int
	}{
		{&rs.DPoP{}, -55, 200}, {&rs.DPoP{}, -65, 401}, {&rs.DPoP{}, 8, 200}, {&rs.DPoP{}, 15, 401},
		{&rs.DPoP{MaxAge: 4 * time.Minute}, -200, 200}, {&rs.DPoP{MaxAge: 4 * time.Minute}, -250, 401},
		{&rs.DPoP{MaxAhead: 4 * time.Minute}, 200, 200}, {&rs.DPoP{MaxAhead: 4 * time.Minute}, 250, 401},
		{&rs.DPoP{MaxAge: 5 * time.Second}, -10, 401},
		{&rs.DPoP{NonceKey: key}, -290, 200}, {&rs.DPoP{NonceKey: key}, 290, 200}, {&rs.DPoP{NonceKey: key}, -310, 401}, {&rs.DPoP{NonceKey: key}, 310, 401},
		{&rs.DPoP{NonceKey: key, MaxAge: time.Hour}, -3500, 200}, {&rs.DPoP{NonceKey: key, MaxAge: time.Minute}, -70, 401},
		{&rs.DPoP{MaxAge: 6 * time.Minute}, 0, 503}, {&rs.DPoP{MaxAhead: 6 * time.Minute}, 0, 503}, {&rs.DPoP{MaxAge: -1}, 0, 503}, {&rs.DPoP{MaxAhead: -1}, 0, 503},
		{&rs.DPoP{NonceKey: key, MaxAge: 61 * time.Minute}, 0, 503}, {&rs.DPoP{NonceKey: key, MaxAhead: math.MaxInt64}, 0, 503},
	} {
		p := withDPoP(jwtVerifier(s), test.d)
		send := func(nonce string) *httptest.ResponseRecorder {
			changes := m{"iat": time.Now().Unix() + test.seconds}
			if nonce != "" {
				changes["nonce"] = nonce
			}
			return ask(p, dpopHeader(token, h.proof(token, base+"/", changes)), "/")
		}
		w := send("")
		if nonce := w.Header().Get("DPoP-Nonce"); nonce != "" {
			w = send(nonce)
		}
		if w.Code != test.status {
			t.Errorf("%v %v, nonces %v, %d s: %d, want %d", test.d.MaxAge, test.d.MaxAhead, test.d.NonceKey != nil, test.seconds, w.Code, test.status)
		}
		if err := p.Ready(t.Context()); (err != nil) != (test.status == 503) {
			t.Errorf("Ready: %v", err)
		}
	}
}

// timedStore is a ReplayStore that expires its values by its own clock, as Redis does. The caller's
// clock decides the duration.
type timedStore struct {
	mu     sync.Mutex
	now    func() time.Time // of the store
	caller func() time.Time // of the process that calls
	until  map[string]time.Time
}

func (s *timedStore) use(key string, until time.Time) (bool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.now().Before(s.until[key]) {
		return false, nil
	}
	s.until[key] = s.now().Add(until.Sub(s.caller()))
	return true, nil
}

// TestReplayAcrossClocks: a proof is accepted once by all replicas, even if their clocks differ
// by minutes. RS-21.
func TestReplayAcrossClocks(t *testing.T) {
	s := optest.New(t)
	h := newHolder(t)
	token := s.AccessToken(m{"cnf": m{"jkt": h.thumbprint}}, nil)
	for _, key := range []string{"", strings.Repeat("k", 32)} {
		for _, differ := range []time.Duration{0, 20 * time.Second, time.Minute, -20 * time.Second, -time.Minute} {
			clock := time.Now()
			store := &timedStore{now: func() time.Time { return clock }, until: map[string]time.Time{}}
			replica := func(by time.Duration) *rs.Protection {
				at := func() time.Time { return clock.Add(by) }
				return withDPoP(jwtVerifier(s), &rs.DPoP{Now: at, NonceKey: []byte(key), Replay: storeFunc(func(key string, until time.Time) (bool, error) {
					store.caller = at
					return store.use(key, until)
				})})
			}
			one, two := replica(0), replica(differ)
			nonce := ask(one, dpopHeader(token, h.proof(token, base+"/", nil)), "/").Header().Get("DPoP-Nonce")
			changes := m{"iat": clock.Unix() + 9, "nonce": nonce}
			header := dpopHeader(token, h.proof(token, base+"/", changes))
			if w := ask(one, header, "/"); w.Code != 200 {
				t.Fatalf("%d", w.Code)
			}
			for i := range 300 { // each second at first, then eight minutes in larger steps
				clock = clock.Add(time.Second)
				if i >= 200 {
					clock = clock.Add(4 * time.Second)
				}
				for _, p := range []*rs.Protection{one, two} {
					if w := ask(p, header, "/"); w.Code != http.StatusUnauthorized {
						t.Fatalf("nonces %v, clocks %v apart: accepted again, %d", key != "", differ, w.Code)
					}
				}
			}
		}
	}
}
