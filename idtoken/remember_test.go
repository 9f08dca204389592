package idtoken_test

import (
	"context"
	"testing"
	"time"
)

// until records how long a token must be remembered.
type until struct{ time.Time }

func (u *until) Once(_ context.Context, _ string, t time.Time) (bool, error) {
	u.Time = t
	return true, nil
}

// TestLogoutIsRemembered: the jti of a logout token is remembered some minutes longer than it is
// valid, for replicas whose clock is behind. RS-21, LO-01.
func TestLogoutIsRemembered(t *testing.T) {
	v, remembered := verifier(t), &until{}
	v.Replay = remembered
	raw := case_{claims: m{"jti": "1", "events": m{"http://schemas.openid.net/event/backchannel-logout": m{}}}, header: m{"typ": "logout+jwt"}}.token()
	if _, err := v.VerifyLogout(t.Context(), raw); err != nil {
		t.Fatal(err)
	}
	last := clock.Add(10*time.Minute + 30*time.Second) // for as long as this machine accepts it
	if margin := remembered.Sub(last); margin < 5*time.Minute {
		t.Errorf("remembered for %v longer than it is accepted", margin)
	}
}
