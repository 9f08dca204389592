package idtoken_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"testing"

	"github.com/countersign/countersign/idtoken"
)

// TestReport prints one report in three forms. None contains the token.
func TestReport(t *testing.T) {
	v := verifier(t)
	raw := key.Sign(goodClaims(), m{"kid": "k2"})
	_, report := v.Check(t.Context(), raw, idtoken.Expected{Nonce: "canary-nonce", AccessToken: "canary-at"})

	b, err := json.Marshal(report)
	if err != nil {
		t.Fatal(err)
	}
	var back struct {
		Steps []struct {
			Number                      int
			Test, Result, Reason, Error string
		}
	}
	if err := json.Unmarshal(b, &back); err != nil || len(back.Steps) != 14 {
		t.Fatalf("%v: %s", err, b)
	}
	if s := back.Steps[10]; s.Number != 11 || s.Result != "failed" || !strings.HasPrefix(s.Error, "nonce is missing") {
		t.Errorf("step 11 is %+v", s)
	}
	if s := back.Steps[0]; s.Result != "not applicable" || s.Reason == "" || s.Error != "" {
		t.Errorf("step 1 is %+v", s)
	}

	var log bytes.Buffer
	slog.New(slog.NewTextHandler(&log, nil)).Info("x", "report", report)
	if !strings.Contains(log.String(), `report.step11="Failed: nonce is missing, but`) || strings.Count(log.String(), "\n") != 1 {
		t.Errorf("the log has %s", log.String())
	}
	if n := strings.Count(report.String(), "\n"); n != 13 {
		t.Errorf("the table has %d lines", n)
	}
	for _, text := range []string{string(b), log.String(), report.String(), fmt.Sprintf("%+v %#v", report, report)} {
		if strings.Contains(text, "canary") || strings.Contains(text, "eyJ") {
			t.Errorf("a secret is in %s", text)
		}
	}
}

// TestReportUnreadable: no step of an unreadable token is valid.
func TestReportUnreadable(t *testing.T) {
	for _, raw := range []string{"", "a", "a.b.c", "..", "eyJ.eyJ.x", strings.Repeat(".", 10)} {
		token, report := verifier(t).Check(t.Context(), raw, idtoken.Expected{})
		if token != nil || report.Err() == nil {
			t.Fatalf("%q was accepted", raw)
		}
		for _, s := range report.Steps {
			if s.Result != idtoken.Failed {
				t.Errorf("%q: step %d is %v", raw, s.Number, s.Result)
			}
		}
		if n := strings.Count(report.String(), "Not checked: an earlier check failed\n"); n != 11 || strings.Count(report.String(), "Failed: ") != 1 {
			t.Errorf("%q: the table is\n%s", raw, report)
		}
	}
}

// TestZeroReport: an empty report does not pass.
func TestZeroReport(t *testing.T) {
	if err := (&idtoken.Report{Steps: make([]idtoken.Step, 14)}).Err(); err == nil {
		t.Error("passes")
	}
	if err := (&idtoken.Report{}).Err(); err == nil {
		t.Error("an empty one passes")
	}
}

// TestPage: docs/validate-id-token.md has the table that is printed.
func TestPage(t *testing.T) {
	page, err := os.ReadFile("../docs/validate-id-token.md")
	if err != nil {
		t.Fatal(err)
	}
	_, report := verifier(t).Check(t.Context(), key.Sign(goodClaims(), nil), idtoken.Expected{})
	if !strings.Contains(string(page), report.String()) {
		t.Errorf("the page does not show\n%s", report)
	}
}
