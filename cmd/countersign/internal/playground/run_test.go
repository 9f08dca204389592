package playground

import (
	"context"
	"net/http"
	"strings"
	"testing"
)

// TestSwitches: the login works with each switch, and with the usual ones together; the run
// has the messages and the Go lines that belong to it.
func TestSwitches(t *testing.T) {
	contains := map[string]string{
		"par": "Pushed authorization request", "opaque": "Introspection", "introspection": "Introspection", "refresh": "refresh_token", "revocation": "Revocation",
		"device": "device_code", "exchange": "token-exchange", "backchannel": "Back-channel logout", "stepup": "A page with photos", "fapi2": "Pushed authorization request",
	}
	for _, s := range append(Switches, Switch{ID: "none"}) {
		t.Run(s.ID, func(t *testing.T) {
			t.Parallel()
			r := Run(context.Background(), map[string]bool{s.ID: true}, "")
			signedOut := s.ID == "backchannel" || s.ID == "revocation"
			if r.Failure != "" || !signedOut && r.Screen.Status != http.StatusOK || s.ID == "backchannel" && r.Screen.Status != http.StatusSeeOther && r.Screen.Status != http.StatusFound {
				t.Fatalf("failure %q, screen %+v, logs %q", r.Failure, r.Screen, r.Logs)
			}
			if len(r.Steps) != 14 || len(r.Tokens) == 0 {
				t.Errorf("%d steps, %d tokens", len(r.Steps), len(r.Tokens))
			}
			for _, step := range r.Steps {
				if step.Result == "failed" {
					t.Errorf("step %d failed: %s", step.Number, step.Reason)
				}
			}
			var all []string
			for _, a := range r.Arrows {
				all = append(all, a.Title)
			}
			if want := contains[s.ID]; !strings.Contains(strings.Join(all, "\n"), want) {
				t.Errorf("no message %q in %q", want, all)
			}
		})
	}
}

// TestAttacks: each attack is rejected, by the check that is meant, with a page and a log line.
func TestAttacks(t *testing.T) {
	where := map[string]string{ // in Step, the page or the log
		"state": "login_unknown", "replay": "login_unknown", "inject": "invalid_grant", "mixup": "iss", "none": "Step 1 of 14", "confusion": "Step 7 of 14",
		"nonce": "Step 11 of 14", "stolen": "invalid_token", "logout": "Step 1 of 14", "clock": "Step 9 of 14", "crosssite": "cross_origin", "redirect": "", "flood": "invalid_token",
	}
	if len(where) != len(Attacks) {
		t.Errorf("%d attacks", len(Attacks))
	}
	for _, a := range Attacks {
		t.Run(a.ID, func(t *testing.T) {
			t.Parallel()
			r := Run(context.Background(), map[string]bool{"par": true, "dpop": a.ID == "stolen"}, a.ID)
			if r.Failure != "" || r.Outcome == "" || r.Outcome == notRejected {
				t.Fatalf("%q %q %+v %q", r.Failure, r.Outcome, r.Screen, r.Logs)
			}
			seen := r.Step + r.Screen.Text + strings.Join(r.Logs, "")
			if !strings.Contains(seen, where[a.ID]) {
				t.Errorf("%q is missing in %q", where[a.ID], seen)
			}
			if a.ID != "redirect" && len(r.Logs) == 0 {
				t.Error("no log line")
			}
			if a.Text == "" || a.Without == "" {
				t.Error("no text")
			}
		})
	}
}
