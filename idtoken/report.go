package idtoken

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
)

// Result is the outcome of a step.
type Result int

// The results. The zero value is the one that lets nothing pass.
const (
	Failed        Result = iota // the check failed, or could not be made
	Skipped                     // a setting of the caller turned the check off; the step's Reason names it
	NotApplicable               // there was nothing to check; the step's Reason says why
	Valid                       // the check was made and passed
)

// String gives "failed", "skipped", "not applicable" or "valid".
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

// MarshalText implements encoding.TextMarshaler.
func (r Result) MarshalText() ([]byte, error) { return []byte(r.String()), nil }

// Step is one of the 14 checks, with its number in the Basic Client Profile.
type Step struct {
	Number int    `json:"number"`
	Test   string `json:"test"` // what is checked, in a few words
	Result Result `json:"result"`
	Reason string `json:"reason,omitempty"` // of a step that is skipped or not applicable
	Err    error  `json:"-"`                // of a failed step
}

// outcome is the text for the table's last column.
func (s Step) outcome() string {
	switch {
	case s.Result == Valid:
		return "Valid"
	case s.Result == Skipped:
		return "Skipped: " + s.Reason
	case s.Result == NotApplicable:
		return "Not applicable: " + s.Reason
	case s.Err != nil:
		return "Failed: " + s.Err.Error()
	}
	return "Failed"
}

// MarshalJSON implements json.Marshaler; the error becomes its text.
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

// Report is the outcome of all 14 steps, in the order of their numbers. It holds
// no token and no secret. It prints as a table, marshals to JSON, and is one
// log/slog value.
type Report struct {
	Steps []Step `json:"steps"`

	token string // what the token is, "" for an ID token
}

// Error is a token that was rejected: the first step that failed by itself, and the
// report on all of them.
type Error struct {
	Step   Step
	Report *Report
}

func (e *Error) Error() string {
	token := "id token"
	if e.Report != nil && e.Report.token != "" {
		token = e.Report.token
	}
	return fmt.Sprintf("%s: step %d, %s: %v", token, e.Step.Number, e.Step.Test, e.Step.Err)
}

// Unwrap gives the cause.
func (e *Error) Unwrap() error { return e.Step.Err }

// Err gives the cause of the rejection, as an [*Error], or nil if no step failed.
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

// cause prefers a step that failed by itself to one that was not reached.
func (r *Report) cause(first Step) error {
	for _, s := range r.Steps {
		if s.Result == Failed && s.Err != nil && s.Err != errNotReached {
			return &Error{s, r}
		}
	}
	return &Error{first, r}
}

// rows are the table's: a row a step, the three of the signature as one.
func (r *Report) rows() [][3]string {
	rows := [][3]string{{"Step", "Test", "Result"}}
	for i := 0; i < len(r.Steps); i++ {
		s, number := r.Steps[i], fmt.Sprint(r.Steps[i].Number)
		if s.Number == stepSignature && len(r.Steps) >= i+3 {
			s, number = worst(r.Steps[i:i+3]), "6,7,8"
			s.Test = "The signature, by a key of the issuer and an agreed algorithm"
			i += 2
		}
		rows = append(rows, [3]string{number, s.Test, s.outcome()})
	}
	return rows
}

// worst is the step whose result says the least good of the token.
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

// LogValue implements slog.LogValuer: a group with an attribute a step.
func (r *Report) LogValue() slog.Value {
	attrs := make([]slog.Attr, 0, len(r.Steps))
	for _, s := range r.Steps {
		attrs = append(attrs, slog.String(fmt.Sprintf("step%d", s.Number), s.outcome()))
	}
	return slog.GroupValue(attrs...)
}
