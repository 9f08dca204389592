package playground

import (
	"context"
	"net/http"
	"strings"
	"testing"
)

// TestSwitches: the login succeeds with each switch, and with the usual ones together. The run has
// the messages and the lines of Go of the switch.
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

// where has, for each rejected attack, a text that the step, the page or the log must contain.
var where = map[string]string{
	"state": "no login is under way in this browser", "replay": "no login is under way in this browser", "inject": "invalid_grant", "mixup": "iss is",
	"none": "Step 1 of 14", "confusion": "Step 7 of 14", "nonce": "Step 11 of 14", "stolen": "the key of the proof does not match the key",
	"logout": "Step 1 of 14", "clock": "Step 9 of 14", "crosssite": "cross-origin", "redirect": "not a path of this site", "flood": "no key with the token's kid",
}

// TestAttacks: the right check rejects each attack. The page shows the step, the visitor's page,
// the log line, and what a library without the check would have done.
func TestAttacks(t *testing.T) {
	if len(where) != len(Attacks) {
		t.Errorf("%d attacks", len(Attacks))
	}
	for _, a := range Attacks {
		t.Run(a.ID, func(t *testing.T) {
			t.Parallel()
			r := Run(context.Background(), map[string]bool{"par": true}, a.ID)
			if r.Failure != "" || r.Outcome == "" || r.Bad() {
				t.Fatalf("%q %q %+v %q", r.Failure, r.Outcome, r.Screen, r.Logs)
			}
			if !strings.Contains(r.Step, where[a.ID]) {
				t.Errorf("%q is missing in the step %q", where[a.ID], r.Step)
			}
			if r.Screen.Status == 0 || r.Screen.Text == "" || len(r.Logs) == 0 || a.Text == "" || a.Check == "" || a.Without == "" {
				t.Errorf("screen %+v, logs %q", r.Screen, r.Logs)
			}
			if !clauseForm.MatchString(a.Clause) {
				t.Errorf("clause %q", a.Clause)
			}
			if !strings.HasPrefix(r.Would, "In this run ") {
				t.Errorf("what the library would have done is not shown to be true: %q", r.Would)
			}
		})
	}
}

// runsAgain are the attacks that also run on a program without the check.
var runsAgain = map[string]bool{"inject": true, "crosssite": true, "redirect": true}

// TestAttacksWithSwitches: each attack is rejected with every switch. The attacks of runsAgain
// succeed on a program without the check.
func TestAttacksWithSwitches(t *testing.T) {
	for _, s := range Switches {
		for _, a := range Attacks {
			t.Run(s.ID+"/"+a.ID, func(t *testing.T) {
				t.Parallel()
				r := Run(context.Background(), map[string]bool{s.ID: true}, a.ID)
				if r.Failure != "" || r.Bad() || r.Outcome == "" || r.Step == "" || len(r.Logs) == 0 {
					t.Errorf("failure %q, outcome %q, step %q, screen %+v, logs %q", r.Failure, r.Outcome, r.Step, r.Screen, r.Logs)
				}
				if runsAgain[a.ID] && r.Would == "" {
					t.Error("the attack fails without the check")
				}
			})
		}
	}
}

// TestFloodLog: the page shortens 50 equal log lines to two.
func TestFloodLog(t *testing.T) {
	r := Run(context.Background(), map[string]bool{}, "flood")
	if len(r.Logs) != 2 || r.Logs[1] != "… and 49 more lines like this one\n" {
		t.Errorf("%q", r.Logs)
	}
}
