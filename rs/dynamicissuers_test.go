package rs_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/countersign/countersign/internal/optest"
	"github.com/countersign/countersign/rs"
)

// organizations are issuers that join while the program runs. Each has its own key.
type organizations struct {
	*testing.T
	keys   map[string]optest.Key
	joined map[string]rs.Verifier
	asked  []string
	err    error
}

func newOrganizations(t *testing.T, names ...string) *organizations {
	o := &organizations{T: t, keys: map[string]optest.Key{}, joined: map[string]rs.Verifier{}}
	for _, name := range names {
		iss := "https://" + name + ".example"
		o.keys[iss] = optest.NewKey("k1", "ES256")
		o.joined[iss] = &rs.JWT{Issuer: iss, Audience: "api", Algs: []string{"ES256"}, Keys: static(t, o.keys[iss], nil)}
	}
	return o
}

func (o *organizations) find(_ context.Context, issuer string) (rs.Verifier, error) {
	o.asked = append(o.asked, issuer)
	return o.joined[issuer], o.err
}

func (o *organizations) token(iss, signer string) string {
	now := time.Now().Unix()
	return o.keys[signer].Sign(m{"iss": iss, "aud": "api", "sub": "alice", "client_id": "rp", "jti": "1", "scope": "photos.read", "iat": now, "exp": now + 300}, m{"typ": "at+jwt"})
}

// TestDynamicIssuers: Find decides by iss, its decision is cached for a time, and a token is
// verified only with its issuer's keys. RS-06, JWKS-08.
func TestDynamicIssuers(t *testing.T) {
	const a, b, stranger = "https://a.example", "https://b.example", "https://c.example"
	o := newOrganizations(t, "a", "b", "c")
	delete(o.joined, stranger)
	clock := time.Now()
	d := &rs.DynamicIssuers{Find: o.find, Now: func() time.Time { return clock }}
	check := func(iss, signer string, status, asked int) {
		t.Helper()
		if w := ask(quiet(d), bearer(o.token(iss, signer)), "/"); w.Code != status || len(o.asked) != asked {
			t.Errorf("%s: %d, asked %d times", iss, w.Code, len(o.asked))
		}
	}
	check(a, a, 200, 1)
	check(a, a, 200, 1)
	check(b, b, 200, 2)
	check(a, b, 401, 2)
	check(stranger, stranger, 401, 3)
	check(stranger, stranger, 401, 3)
	clock = clock.Add(5 * time.Minute)
	check(a, a, 200, 4)
	delete(o.joined, a)
	check(a, a, 200, 4)
	d.Forget(a)
	check(a, a, 401, 5)
	o.err = errors.New("the database is down")
	check(a, a, 401, 5)
	d.Forget(a)
	check(a, a, 503, 6)
	check(a, a, 503, 7) // not remembered
	o.err, o.joined[a] = nil, o.joined[b]
	check(a, a, 401, 8) // b's verifier rejects a's issuer
	check("", a, 401, 8)
	check("https://"+strings.Repeat("x", 3000), a, 401, 8)
}

// TestDynamicIssuersWrong: a Verifier of another issuer is rejected.
func TestDynamicIssuersWrong(t *testing.T) {
	o := newOrganizations(t, "a")
	d := &rs.DynamicIssuers{Find: func(context.Context, string) (rs.Verifier, error) {
		return verifierFunc(func(context.Context, string) (*rs.Principal, error) {
			return &rs.Principal{Issuer: "https://b.example"}, nil
		}), nil
	}}
	if w := ask(quiet(d), bearer(o.token("https://a.example", "https://a.example")), "/"); w.Code != 503 {
		t.Errorf("%d", w.Code)
	}
}

// TestDynamicIssuersFlood: random issuers use limited memory, do not remove accepted ones, and
// are subject to Limit.
func TestDynamicIssuersFlood(t *testing.T) {
	const a = "https://a.example"
	o := newOrganizations(t, "a")
	var wait time.Duration
	d := &rs.DynamicIssuers{Find: o.find, Size: 10, Limit: func(*http.Request) time.Duration { return wait }}
	good := o.token(a, a)
	for n := range 100 {
		if w := ask(quiet(d), bearer(o.token(fmt.Sprintf("https://%d.example", n), a)), "/"); w.Code != 401 {
			t.Errorf("%d", w.Code)
		}
		if w := ask(quiet(d), bearer(good), "/"); w.Code != 200 {
			t.Errorf("%d", w.Code)
		}
	}
	if len(o.asked) != 101 {
		t.Errorf("asked %d times", len(o.asked))
	}
	wait = time.Second
	if w := ask(quiet(d), bearer(o.token("https://x.example", a)), "/"); w.Code != 429 {
		t.Errorf("%d", w.Code)
	}
	if w := ask(quiet(&rs.Cache{Tokens: d}), bearer(good), "/"); w.Code != 200 {
		t.Errorf("%d", w.Code)
	}
	for _, bad := range []*rs.DynamicIssuers{nil, {}, {Find: o.find, Size: -1}, {Find: o.find, MaxAge: -1}, {Find: o.find, MaxAge: 2 * time.Hour}, {Find: o.find, MaxCalls: -1}} {
		if err := bad.Ready(t.Context()); err == nil {
			t.Errorf("%+v: ready", bad)
		}
	}
}

// TestEntraCommon: the error for Entra's issuers without a tenant contains the right preset.
func TestEntraCommon(t *testing.T) {
	for _, tenant := range []string{"common", "organizations", "consumers"} {
		j := rs.Entra(tenant)
		j.Audience = "api"
		err := j.Ready(t.Context())
		if err == nil || !strings.Contains(err.Error(), "EntraTenants") {
			t.Errorf("%s: %v", tenant, err)
		}
		_, err = j.VerifyToken(t.Context(), optest.NewKey("k1", "RS256").Sign(m{"iss": "https://login.microsoftonline.com/x/v2.0", "aud": "api", "azp": "a"}, nil))
		if err == nil || !strings.Contains(err.Error(), "EntraTenants") {
			t.Errorf("%s: %v", tenant, err)
		}
	}
}

// TestDynamicIssuersForgetRace: an issuer that is removed while Find runs is not cached as
// accepted. RS-06.
func TestDynamicIssuersForgetRace(t *testing.T) {
	const a = "https://a.example"
	o := newOrganizations(t, "a")
	d := &rs.DynamicIssuers{}
	d.Find = func(ctx context.Context, iss string) (rs.Verifier, error) {
		v, err := o.find(ctx, iss)
		if len(o.asked) == 1 {
			delete(o.joined, a)
			d.Forget(a)
		}
		return v, err
	}
	for i, want := range []int{200, 401, 401} { // the first began before
		if w := ask(quiet(d), bearer(o.token(a, a)), "/"); w.Code != want {
			t.Errorf("request %d: %d, want %d", i, w.Code, want)
		}
	}
}
