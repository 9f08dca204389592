package idtoken

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
)

// Result is the outcome of a step.
type Result int

// The results. The zero value is Failed.
const (
	Failed        Result = iota // the check failed, or could not be performed
	Skipped                     // a setting of the application disabled the check; the step's Reason names it
	NotApplicable               // there was nothing to check; the step's Reason explains why
	Valid                       // the check passed
)

// String returns "failed", "skipped", "not applicable" or "valid".
func (r Result) String() string {
	switch r {
	case Skipped:
		return "skipped"
	case NotApplicable:
		return "not applicable"
	case Valid:
		return "valid"
	}
	return "failed"
}

// MarshalText implements encoding.TextMarshaler. It returns no error.
func (r Result) MarshalText() ([]byte, error) { return []byte(r.String()), nil }

// Step is the result of one of the 14 checks, with its number in the Basic Client Profile.
type Step struct {
	Number int    `json:"number"`           // 1 to 14
	Test   string `json:"test"`             // what is checked, in a few words
	Result Result `json:"result"`           // Failed, Skipped, NotApplicable or Valid
	Reason string `json:"reason,omitempty"` // set if the step is skipped or not applicable
	Err    error  `json:"-"`                // set if the step failed
}

// outcome returns the text for the last column of the table.
func (s Step) outcome() string {
	switch {
	case s.Result == Valid:
		return "Valid"
	case s.Result == Skipped:
		return "Skipped: " + s.Reason
	case s.Result == NotApplicable:
		return "Not applicable: " + s.Reason
	case s.Err == errNotReached:
		return "Not checked: an earlier check failed"
	case s.Err != nil:
		return "Failed: " + s.Err.Error()
	}
	return "Failed"
}

// MarshalJSON implements json.Marshaler. The error is encoded as its text.
func (s Step) MarshalJSON() ([]byte, error) {
	type plain Step
	out := struct {
		plain
		Error string `json:"error,omitempty"`
	}{plain: plain(s)}
	if s.Err != nil {
		out.Error = s.Err.Error()
	}
	return json.Marshal(out)
}

// Report holds the results of all 14 steps, in the order of their numbers. It contains no
// token and no secret. It prints as a table, marshals to JSON, and is one log/slog value.
type Report struct {
	Steps []Step `json:"steps"` // all 14, by number

	token string // what the token is, "" for an ID token
}

// Error describes a rejected token. Step is the first step whose own check failed. Report has the
// results of all steps.
type Error struct {
	Step   Step    // the first step that failed by itself
	Report *Report // the results of all steps
}

func (e *Error) Error() string {
	token := "id token"
	if e.Report != nil && e.Report.token != "" {
		token = e.Report.token
	}
	return fmt.Sprintf("%s: step %d, %s: %v", token, e.Step.Number, e.Step.Test, e.Step.Err)
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Step.Err }

// Err returns the reason for the rejection as an [*Error], or nil if no step failed.
func (r *Report) Err() error {
	if len(r.Steps) != len(tests) {
		return &Error{Step{Err: errNotReached}, r}
	}
	for _, s := range r.Steps {
		if s.Result < Skipped || s.Result > Valid {
			return r.cause(s)
		}
	}
	return nil
}

// cause returns the error of first, but prefers a step whose own check failed to a step that was
// not reached.
func (r *Report) cause(first Step) error {
	for _, s := range r.Steps {
		if s.Result == Failed && s.Err != nil && s.Err != errNotReached {
			return &Error{s, r}
		}
	}
	return &Error{first, r}
}

// rows returns the rows of the table: one per step, but one for the three signature steps
// together.
func (r *Report) rows() [][3]string {
	rows := [][3]string{{"Step", "Test", "Result"}}
	for i := 0; i < len(r.Steps); i++ {
		s, number := r.Steps[i], fmt.Sprint(r.Steps[i].Number)
		if s.Number == stepSignature && len(r.Steps) >= i+3 {
			s, number = worst(r.Steps[i:i+3]), "6,7,8"
			s.Test = "The signature, by a key of the issuer and an allowed algorithm"
			i += 2
		}
		rows = append(rows, [3]string{number, s.Test, s.outcome()})
	}
	return rows
}

// worst returns the step with the worst result.
func worst(steps []Step) Step {
	w := steps[0]
	for _, s := range steps[1:] {
		if s.Result < w.Result || s.Result == w.Result && w.Err == errNotReached {
			w = s
		}
	}
	return w
}

// String prints the report as a table.
func (r *Report) String() string {
	rows := r.rows()
	width := 0
	for _, row := range rows {
		width = max(width, len(row[1]))
	}
	var b strings.Builder
	for _, row := range rows {
		fmt.Fprintf(&b, "%-5s  %-*s  %s\n", row[0], width, row[1], row[2])
	}
	return b.String()
}

// LogValue implements slog.LogValuer. It returns a group with one attribute per step.
func (r *Report) LogValue() slog.Value {
	attrs := make([]slog.Attr, 0, len(r.Steps))
	for _, s := range r.Steps {
		attrs = append(attrs, slog.String(fmt.Sprintf("step%d", s.Number), s.outcome()))
	}
	return slog.GroupValue(attrs...)
}
