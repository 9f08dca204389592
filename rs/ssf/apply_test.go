package ssf_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/countersign/countersign/internal/optest"
	"github.com/countersign/countersign/rs/ssf"
)

type object = map[string]any

// TestSubjects: what ends for each kind of subject. SSF-05.
func TestSubjects(t *testing.T) {
	f := newFixture(t)
	iss := f.issuer()
	alice := object{"format": "iss_sub", "iss": iss, "sub": "alice"}
	session := object{"format": "opaque", "id": "s9"}
	known := object{"format": "email", "email": "alice@example.com"}
	f.Lookup = func(_ context.Context, format, value string, at time.Time) (string, string, error) {
		if format == "email" && value == "alice@example.com" && !at.IsZero() {
			return iss, "alice", nil
		}
		return "", "", nil
	}
	user, one := iss+"|alice|", iss+"|alice|s9"
	for i, test := range []struct {
		name    string
		typ     string
		subject object
		want    []string
	}{
		{"iss_sub", ssf.SessionRevoked, alice, []string{user}},
		{"opaque", ssf.SessionRevoked, object{"format": "opaque", "id": "alice"}, []string{user}},
		{"email that is known", ssf.SessionRevoked, known, []string{user}},
		{"email that is not", ssf.SessionRevoked, object{"format": "email", "email": "bob@example.com"}, nil},
		{"phone", ssf.SessionRevoked, object{"format": "phone_number", "phone_number": "+1"}, nil},
		{"account", ssf.SessionRevoked, object{"format": "account", "uri": "acct:x@y"}, nil},
		{"jwt_id", ssf.SessionRevoked, object{"format": "jwt_id", "iss": iss, "jti": "t1"}, []string{iss + "|token t1|"}},
		{"a format that nobody knows", ssf.SessionRevoked, object{"format": "catalog_item", "catalog_id": "1"}, nil},
		{"aliases", ssf.SessionRevoked, object{"format": "aliases", "identifiers": []any{known, object{"format": "phone_number", "phone_number": "+1"}}}, []string{user}},
		{"a session of a user", ssf.SessionRevoked, object{"format": "complex", "user": alice, "session": session}, []string{one}},
		{"a session alone", ssf.SessionRevoked, object{"format": "complex", "session": session}, []string{iss + "||s9"}},
		{"a session as iss_sub", ssf.SessionRevoked, object{"format": "complex", "session": object{"format": "iss_sub", "iss": iss, "sub": "s9"}}, []string{iss + "||s9"}},
		{"all sessions of Keycloak", ssf.SessionRevoked, object{"format": "complex", "user": alice, "session": object{"format": "opaque", "id": "ALL"}}, []string{user}},
		{"ALL without a user", ssf.SessionRevoked, object{"format": "complex", "session": object{"format": "opaque", "id": "ALL"}}, nil},
		{"a session that nobody can read ends all", ssf.SessionRevoked, object{"format": "complex", "user": alice, "session": object{"format": "x"}}, []string{user}},
		{"a user on a device", ssf.DeviceComplianceChange, object{"format": "complex", "user": alice, "device": object{"format": "opaque", "id": "d"}}, []string{user}},
		{"a device alone", ssf.DeviceComplianceChange, object{"format": "complex", "device": object{"format": "opaque", "id": "alice"}}, nil},
		{"a tenant alone", ssf.SessionRevoked, object{"format": "complex", "tenant": object{"format": "opaque", "id": "alice"}}, nil},
		{"a group alone", ssf.SessionRevoked, object{"format": "complex", "group": alice}, nil},
		{"a credential is of all sessions", ssf.CredentialChange, object{"format": "complex", "user": alice, "session": session}, []string{user}},
		{"an account too", ssf.AccountDisabled, object{"format": "complex", "user": alice, "session": session}, []string{user}},
		{"a user of another issuer", ssf.SessionRevoked, object{"format": "iss_sub", "iss": otherIssuer, "sub": "alice"}, nil},
		{"a session of another issuer", ssf.SessionRevoked, object{"format": "complex", "session": object{"format": "iss_sub", "iss": otherIssuer, "sub": "s9"}}, nil},
		{"a token of another issuer", ssf.SessionRevoked, object{"format": "jwt_id", "iss": otherIssuer, "jti": "t1"}, nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			set := f.set(with("sub_id", test.subject), with("jti", fmt.Sprint(i)), event(test.typ, nil))
			if err := f.Apply(t.Context(), set); err != nil {
				t.Fatal(err)
			}
			if got := f.effect.take(); !slices.Equal(got, test.want) {
				t.Errorf("ended %q, want %q", got, test.want)
			}
		})
	}
	if n := f.counts.of(ssf.Foreign); n != 3 {
		t.Errorf("%d foreign subjects counted", n)
	}
}

// TestSubjectsRefused: subjects that break RFC 9493. SSF-06.
func TestSubjectsRefused(t *testing.T) {
	f := newFixture(t)
	email := object{"format": "email", "email": "a@b"}
	many := make([]any, 21)
	for i := range many {
		many[i] = email
	}
	for name, subject := range map[string]any{
		"no format": object{"iss": "x", "sub": "y"}, "null": object{"format": nil}, "empty format": object{"format": ""},
		"iss_sub without sub": object{"format": "iss_sub", "iss": "x"}, "iss_sub without iss": object{"format": "iss_sub", "sub": "x"},
		"empty sub": object{"format": "iss_sub", "iss": "x", "sub": ""}, "sub as a number": object{"format": "iss_sub", "iss": "x", "sub": 1},
		"opaque without id": object{"format": "opaque"}, "email without email": object{"format": "email"},
		"aliases of none": object{"format": "aliases", "identifiers": []any{}}, "too many aliases": object{"format": "aliases", "identifiers": many},
		"aliases in aliases":    object{"format": "aliases", "identifiers": []any{object{"format": "aliases", "identifiers": []any{email}}}},
		"complex in complex":    object{"format": "complex", "user": object{"format": "complex", "user": email}},
		"complex of none":       object{"format": "complex"},
		"complex without parts": object{"format": "complex", "user": "alice"},
		"a string":              "alice", "a list": []any{email},
	} {
		if err := f.Apply(t.Context(), f.set(with("sub_id", subject))); code(err) != ssf.InvalidRequest {
			t.Errorf("%s: %v", name, err)
		}
	}
	if got := f.effect.take(); got != nil {
		t.Errorf("ended %q", got)
	}
}

// TestTypes: which events end access, and that all others are acknowledged and counted. SSF-07.
func TestTypes(t *testing.T) {
	f := newFixture(t)
	var heard []string
	f.Heard = func(_ context.Context, e ssf.Event) error { heard = append(heard, e.Type); return nil }
	f.Ignore = []string{ssf.TokenClaimsChange}
	for i, test := range []struct {
		typ     string
		payload object
		ends    bool
	}{
		{ssf.SessionRevoked, nil, true},
		{ssf.CredentialChange, object{"credential_type": "password", "change_type": "update"}, true},
		{ssf.TokenClaimsChange, object{"claims": object{"role": "x"}}, false}, // ignored
		{ssf.AssuranceLevelChange, object{"change_direction": "decrease"}, true},
		{ssf.AssuranceLevelChange, object{"change_direction": "increase"}, false},
		{ssf.AssuranceLevelChange, nil, true},
		{ssf.DeviceComplianceChange, object{"current_status": "not-compliant"}, true},
		{ssf.DeviceComplianceChange, object{"current_status": "compliant"}, false},
		{ssf.AccountDisabled, object{"reason": "hijacking"}, true},
		{ssf.AccountPurged, nil, true},
		{ssf.CredentialCompromise, nil, true},
		{ssf.SessionsRevoked, nil, true},
		{"https://schemas.openid.net/secevent/risc/event-type/account-enabled", nil, false},
		{"urn:example:unknown", object{"x": 1}, false},
	} {
		set := f.set(event(test.typ, test.payload), with("jti", fmt.Sprint(i)))
		if err := f.Apply(t.Context(), set); err != nil {
			t.Errorf("%s: %v", test.typ, err)
		}
		if got := f.effect.take(); (len(got) > 0) != test.ends {
			t.Errorf("%s %v: ended %q", test.typ, test.payload, got)
		}
	}
	if err := f.Apply(t.Context(), f.set(event("urn:example:unknown", nil), with("jti", "u2"), with("sub_id", object{"own": "form"}))); err != nil {
		t.Errorf("an unknown event with a subject of its own: %v", err)
	}
	if f.counts.of(ssf.Received+" unknown") != 3 || len(heard) != 15 {
		t.Errorf("%d unknown events counted, %d heard", f.counts.of(ssf.Received+" unknown"), len(heard))
	}
	if err := f.Apply(t.Context(), f.set(with("jti", "old"), with("sub_id", nil), event(ssf.SessionRevoked, object{"subject": object{"format": "iss_sub", "iss": f.issuer(), "sub": "alice"}}))); err != nil || len(f.effect.take()) != 1 {
		t.Errorf("a subject in the event: %v", err)
	}
}

// TestIssuers: events about configured issuers are accepted, and no others. SSF-08.
func TestIssuers(t *testing.T) {
	f := newFixture(t)
	f.Issuers = []string{otherIssuer}
	for i, test := range []struct {
		iss  string
		ends int
	}{{otherIssuer, 1}, {f.issuer(), 0}} {
		set := f.set(with("jti", fmt.Sprint(i)), with("sub_id", object{"format": "iss_sub", "iss": test.iss, "sub": "alice"}))
		if err := f.Apply(t.Context(), set); err != nil || len(f.effect.take()) != test.ends {
			t.Errorf("%s: %v", test.iss, err)
		}
	}
}

// TestOnce: a token is applied once, and acknowledged each time. SSF-09.
func TestOnce(t *testing.T) {
	f := newFixture(t)
	other := &ssf.Receiver{Issuer: f.Issuer, Audience: f.Audience, Effects: f.Effects, Keys: f.Keys, Logger: f.Logger}
	shared := &store{values: map[string][]byte{}}
	f.Store, other.Store = shared, shared
	for i, r := range []*ssf.Receiver{f.Receiver, f.Receiver, other} {
		if err := r.Apply(t.Context(), f.set()); err != nil {
			t.Errorf("time %d: %v", i, err)
		}
	}
	if got := f.effect.take(); len(got) != 1 {
		t.Errorf("applied %d times", len(got))
	}
	if f.counts.of(ssf.Duplicate) != 1 {
		t.Errorf("%d duplicates counted", f.counts.of(ssf.Duplicate))
	}
}

// store is a Store whose calls can fail.
type store struct {
	sync.Mutex
	values     map[string][]byte
	load, save error
}

func (s *store) Load(_ context.Context, key string) ([]byte, error) {
	s.Lock()
	defer s.Unlock()
	return s.values[key], s.load
}

func (s *store) Save(_ context.Context, key string, value []byte, _ time.Time) error {
	s.Lock()
	defer s.Unlock()
	if s.save == nil {
		s.values[key] = value
	}
	return s.save
}

// TestAcknowledgedAfterStored: after any failure the token is not acknowledged, and is applied
// when it is sent again. SSF-10.
func TestAcknowledgedAfterStored(t *testing.T) {
	down := errors.New("down")
	for name, test := range map[string]struct {
		breakIt, mend func(*fixture, *store)
	}{
		"the Store cannot be read":    {func(_ *fixture, s *store) { s.load = down }, func(_ *fixture, s *store) { s.load = nil }},
		"the Store cannot be written": {func(_ *fixture, s *store) { s.save = down }, func(_ *fixture, s *store) { s.save = nil }},
		"an effect fails":             {func(f *fixture, _ *store) { f.effect.setFail(down) }, func(f *fixture, _ *store) { f.effect.setFail(nil) }},
		"the second effect fails": {
			func(f *fixture, _ *store) {
				f.Effects = append(f.Effects, ssf.EffectFunc(func(context.Context, string, string, string, time.Time) error { return down }))
			},
			func(f *fixture, _ *store) { f.Effects = f.Effects[:1] },
		},
		"the application fails": {
			func(f *fixture, _ *store) { f.Heard = func(context.Context, ssf.Event) error { return down } },
			func(f *fixture, _ *store) { f.Heard = nil },
		},
		"the lookup fails": {
			func(f *fixture, _ *store) {
				f.Lookup = func(context.Context, string, string, time.Time) (string, string, error) { return "", "", down }
			},
			func(f *fixture, _ *store) {
				f.Lookup = func(context.Context, string, string, time.Time) (string, string, error) {
					return f.Issuer, "alice", nil
				}
			},
		},
		"the keys cannot be fetched": {func(f *fixture, _ *store) { f.Keys = failing{} }, func(f *fixture, _ *store) { f.Keys = nil }},
	} {
		t.Run(name, func(t *testing.T) {
			f, s := newFixture(t), &store{values: map[string][]byte{}}
			f.Store = s
			set := f.set(with("sub_id", object{"format": "aliases", "identifiers": []any{
				object{"format": "email", "email": "a@b"}, object{"format": "iss_sub", "iss": f.issuer(), "sub": "alice"},
			}}))
			f.queue("j1", set)
			test.breakIt(f, s)
			if w := post(f.Handler(), set, pushSecret); w.Code != 503 {
				t.Errorf("push: %d", w.Code)
			}
			if err := f.Poll(t.Context(), f.URL+"/poll"); !temporary(err) || len(f.acks) != 0 {
				t.Errorf("poll: %v, acknowledged %q", err, f.acks)
			}
			f.effect.take()
			test.mend(f, s)
			if err := f.Poll(t.Context(), f.URL+"/poll"); err != nil || !slices.Equal(f.acks, []string{"j1"}) || len(f.effect.take()) == 0 {
				t.Errorf("again: %v, acknowledged %q", err, f.acks)
			}
		})
	}
}

type failing struct{}

func (failing) VerifySignature(context.Context, string) ([]byte, error) { return nil, failing{} }
func (failing) Error() string                                           { return "down" }
func (failing) Temporary() bool                                         { return true }

// TestMany: many events at once are all applied, each once. SOAK=100000 is for a long run. SSF-11.
func TestMany(t *testing.T) {
	n, _ := strconv.Atoi(os.Getenv("SOAK"))
	if n == 0 {
		n = 2000
	}
	f := newFixture(t)
	f.key, f.Algs, f.MaxEvents = optest.NewKey("k1", "EdDSA"), []string{"EdDSA"}, 1000
	for i := range n {
		id := fmt.Sprint(i)
		f.add(id, f.set(with("jti", id), with("sub_id", object{"format": "opaque", "id": id})))
	}
	began := time.Now()
	if err := f.Poll(t.Context(), f.URL+"/poll"); err != nil {
		t.Fatal(err)
	}
	t.Logf("%d events in %v", n, time.Since(began))
	got := f.effect.take()
	slices.Sort(got)
	if len(slices.Compact(got)) != n || len(f.acks) != n || len(f.sets) != 0 {
		t.Errorf("%d applied, %d acknowledged, %d left", len(got), len(f.acks), len(f.sets))
	}
}
