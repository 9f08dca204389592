package doctor

import (
	"fmt"
	"io"
	"log/slog"
	"strings"
)

// quiet discards the log of the library, because the report has the same facts.
var quiet = slog.New(slog.DiscardHandler)

// Level says how much a finding matters.
type Level string

// The levels.
const (
	Problem Level = "problem" // a login, or an API's check of a token, fails
	Warning Level = "warning" // it works, and is weak or fails in some configurations
	Note    Level = "note"    // a fact to know
)

// Finding is one thing that the examination found.
type Finding struct {
	Level  Level  `json:"level"`
	Topic  string `json:"topic"`
	Text   string `json:"text"`
	Remedy string `json:"remedy,omitempty"`
}

// Verdict says what a profile would reject.
type Verdict struct {
	Profile  string   `json:"profile"`
	Lacks    []string `json:"lacks"`              // empty: the issuer has what the profile requires
	Excluded []string `json:"excluded,omitempty"` // what the issuer lists, and the profile does not allow
}

// Report is the result of an examination.
type Report struct {
	Issuer       string    `json:"issuer"`
	Findings     []Finding `json:"findings"`
	Profiles     []Verdict `json:"profiles,omitempty"`
	ClientConfig string    `json:"client_config,omitempty"` // Go source
	APIConfig    string    `json:"api_config,omitempty"`    // Go source
}

// Problems reports how many findings are problems.
func (r *Report) Problems() int { return r.count(Problem) }

func (r *Report) count(level Level) (n int) {
	for _, f := range r.Findings {
		if f.Level == level {
			n++
		}
	}
	return n
}

func (r *Report) problem(topic, text, remedy string) { r.add(Problem, topic, text, remedy) }
func (r *Report) warn(topic, text, remedy string)    { r.add(Warning, topic, text, remedy) }
func (r *Report) note(topic, text string)            { r.add(Note, topic, text, "") }

func (r *Report) add(level Level, topic, text, remedy string) {
	r.Findings = append(r.Findings, Finding{level, topic, printable(text), printable(remedy)})
}

// printable keeps control characters of a server's text away from the terminal.
func printable(s string) string {
	clean := strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f || r >= 0x80 && r < 0xa0 || r >= 0x202a && r <= 0x202e || r >= 0x2066 && r <= 0x2069 {
			return '?'
		}
		return r
	}, s)
	if len(clean) > 800 {
		return strings.ToValidUTF8(clean[:800], "") + "…"
	}
	return clean
}

func allPrintable(all []string) []string {
	for i := range all {
		all[i] = printable(all[i])
	}
	return all
}

var marks = map[Level]string{Problem: "✗", Warning: "!", Note: "·"}

// Print writes the report for a person.
func (r *Report) Print(w io.Writer) {
	fmt.Fprintf(w, "%s\n\n", r.Issuer)
	for _, f := range r.Findings {
		fmt.Fprintf(w, "%s %-12s %s\n", marks[f.Level], f.Topic, f.Text)
		if f.Remedy != "" {
			fmt.Fprintf(w, "  %-12s → %s\n", "", f.Remedy)
		}
	}
	r.printProfiles(w)
	if r.ClientConfig != "" {
		fmt.Fprintf(w, "\nTo sign users in:\n\n%s\n\nTo protect an API:\n\n%s\n", r.ClientConfig, r.APIConfig)
	}
	fmt.Fprintf(w, "\n%s, %s\n", counted(r.count(Problem), "problem"), counted(r.count(Warning), "warning"))
}

func (r *Report) printProfiles(w io.Writer) {
	if len(r.Profiles) > 0 {
		fmt.Fprintln(w)
	}
	for _, v := range r.Profiles {
		fmt.Fprintf(w, "%-28s %s\n", v.Profile, printable(v.text()))
	}
}

func (v *Verdict) text() string {
	changes := strings.Join(v.Excluded, "; ")
	switch {
	case len(v.Lacks) > 0 && changes != "":
		return "the issuer lacks " + strings.Join(v.Lacks, ", ") + "; the server must also change: " + changes
	case len(v.Lacks) > 0:
		return "the issuer lacks " + strings.Join(v.Lacks, ", ")
	case changes != "":
		return "possible, after these changes at the server: " + changes
	}
	return "the server meets the requirements"
}

func counted(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}
