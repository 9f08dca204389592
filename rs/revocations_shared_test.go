package rs_test

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/countersign/countersign/rs"
)

func (l *sharedLog) cut(err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.fail = err
}

var revocationKey = []byte("canary-key of 32 bytes or more to seal")

// process follows the log. It has StaleFor, because a busy machine may not run it for a while.
func (l *sharedLog) process(t *testing.T, edit func(*rs.Revocations)) *rs.Revocations {
	v := &rs.Revocations{Shared: l, SharedKey: revocationKey, Counter: &tally{}, StaleFor: time.Minute}
	if edit != nil {
		edit(v)
	}
	go v.Run(t.Context())
	return v
}

func inTime(t *testing.T, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(2 * time.Minute); time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
		if ok() {
			return
		}
	}
	t.Fatal("not in time")
}

// TestRevocationsShared: all processes reject what one revokes, also processes that start later.
// The shared values are encrypted. REV-08.
func TestRevocationsShared(t *testing.T) {
	l := &sharedLog{}
	a, b := l.process(t, nil), l.process(t, nil)
	at := time.Now()
	p := &rs.Principal{Issuer: "i", SessionID: "canary-sid", Subject: "alice", ClientID: "c", ID: "j", IssuedAt: at.Add(-time.Minute)}
	inTime(t, func() bool { return a.Ready(t.Context()) == nil && b.Ready(t.Context()) == nil })
	if err := b.CheckRevocation(t.Context(), "x", p); err != nil {
		t.Fatal(err)
	}
	for name, access := range map[string]rs.RevokedAccess{
		"session": {Issuer: "i", SessionID: "canary-sid"}, "user": {Issuer: "i", Subject: "alice", Before: at}, "client": {Issuer: "i", ClientID: "c", Before: at},
		"jti": {Issuer: "i", TokenID: "j"}, "issuer": {Issuer: "i", All: true, Before: at}, "token": {Token: "x"},
	} {
		l := &sharedLog{}
		a, b := l.process(t, nil), l.process(t, nil)
		if err := a.Revoke(t.Context(), access); err != nil {
			t.Fatal(name, err)
		}
		later := l.process(t, nil)
		for _, v := range []*rs.Revocations{a, b, later} {
			inTime(t, func() bool { err := v.CheckRevocation(t.Context(), "x", p); return err != nil && !isTemporary(err) })
		}
		if strings.Contains(fmt.Sprintf("%s", l.values), "canary") {
			t.Errorf("%s: the store sees what is revoked", name)
		}
	}
	foreign := l.process(t, func(v *rs.Revocations) { v.SharedKey = []byte("canary-another key of 32 bytes or more") })
	if err := a.EndAccess(t.Context(), "i", "", "canary-sid", at); err != nil {
		t.Fatal(err)
	}
	inTime(t, func() bool { return foreign.Ready(t.Context()) == nil && foreign.Counter.(*tally).has(rs.LogFailed) })
	if foreign.CheckRevocation(t.Context(), "x", p) != nil {
		t.Error("an entry that was sealed with another key counts")
	}
}

func isTemporary(err error) bool {
	w := ask(&rs.Protection{Tokens: failingVerifier{err}, Logger: quiet(nil).Logger}, bearer("x"), "/")
	return w.Code == 503
}

// TestRevocationsStale: while the shared list cannot be read, requests are rejected, or accepted
// for StaleFor. Ready and Counter report it. REV-09.
func TestRevocationsStale(t *testing.T) {
	var mu sync.Mutex
	clock := time.Now()
	now := func() time.Time { mu.Lock(); defer mu.Unlock(); return clock }
	wait := func(d time.Duration) { mu.Lock(); defer mu.Unlock(); clock = clock.Add(d) }
	l := &sharedLog{fail: errors.New("down")}
	p := &rs.Principal{Issuer: "i", SessionID: "s"}
	strict := l.process(t, func(v *rs.Revocations) { v.Now, v.StaleFor = now, 0 })
	patient := l.process(t, func(v *rs.Revocations) { v.Now = now })
	idle := &rs.Revocations{Shared: l, SharedKey: revocationKey}
	for name, v := range map[string]*rs.Revocations{"reject": strict, "continue": patient, "nobody runs it": idle} {
		if err := v.CheckRevocation(t.Context(), "x", p); !isTemporary(err) || v.Ready(t.Context()) == nil {
			t.Errorf("%s: before the list was read: %v", name, err)
		}
	}
	if err := idle.Ready(t.Context()); !strings.Contains(err.Error(), "Revocations.Run") {
		t.Error(err)
	}
	l.cut(nil)
	inTime(t, func() bool { return strict.Ready(t.Context()) == nil && patient.Ready(t.Context()) == nil })
	l.cut(errors.New("down"))
	if err := strict.EndAccess(t.Context(), "i", "", "s", now()); !isTemporary(err) {
		t.Errorf("what others do not know is no error: %v", err)
	}
	if err := strict.CheckRevocation(t.Context(), "x", p); err == nil || isTemporary(err) {
		t.Errorf("this process goes on with it: %v", err)
	}
	wait(3 * time.Second)
	if err := strict.CheckRevocation(t.Context(), "x", &rs.Principal{}); !isTemporary(err) {
		t.Errorf("reject: %v", err)
	}
	if err := patient.CheckRevocation(t.Context(), "x", p); err != nil || patient.Ready(t.Context()) == nil {
		t.Errorf("continue: %v, and ready", err)
	}
	wait(time.Minute)
	if err := patient.CheckRevocation(t.Context(), "x", p); !isTemporary(err) || !strings.Contains(err.Error(), "StaleFor") {
		t.Errorf("after StaleFor: %v", err)
	}
	if !patient.Counter.(*tally).has(rs.Stale) || !strict.Counter.(*tally).has(rs.LogFailed) {
		t.Error("not counted")
	}
	l.cut(nil)
	inTime(t, func() bool {
		return patient.Ready(t.Context()) == nil && patient.CheckRevocation(t.Context(), "x", p) == nil
	})
}
