package tokenview

import (
	"fmt"
	"io"
	"regexp"
	"strings"
)

// painter colours text for a terminal.
type painter struct{ color bool }

const (
	boldText = "1"
	green    = "32"
	red      = "31"
	cyan     = "36"
	grey     = "90"
)

func (p painter) paint(code, s string) string {
	if !p.color {
		return s
	}
	return "\x1b[" + code + "m" + s + "\x1b[0m"
}

func (p painter) bold(s string) string { return p.paint(boldText, s) }

var member = regexp.MustCompile(`(?m)^(\s*)("(?:[^"\\]|\\.)*")(:)`)

// json returns an object with coloured names. Control characters are escaped in JSON; those beyond
// ASCII that change a terminal are removed.
func (p painter) json(data []byte) string {
	text := printable(indent(data))
	if !p.color {
		return text
	}
	return member.ReplaceAllString(text, "$1\x1b["+cyan+"m$2\x1b[0m$3")
}

var colors = map[Result]string{Valid: green, Failed: red, NotChecked: grey, NotApplicable: grey, Skipped: grey}

// table writes the checks in columns.
func (p painter) table(w io.Writer, title string, checks []Check) {
	test, result := 0, 0
	for _, c := range checks {
		test, result = max(test, len(c.Test)), max(result, len(c.Result))
	}
	fmt.Fprintln(w, p.bold(title))
	for _, c := range checks {
		reason := c.Reason
		if c.Clause != "" {
			reason = strings.TrimSpace(reason + " (" + c.Clause + ")")
		}
		fmt.Fprintf(w, "%2d  %-*s  %s  %s\n", c.Number, test, c.Test, p.paint(colors[c.Result], fmt.Sprintf("%-*s", result, c.Result)), p.paint(grey, reason))
	}
}

// printable keeps control characters of a token away from the terminal.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if hidden(r) {
			return '?'
		}
		return r
	}, s)
}

// hidden reports that a character changes the terminal or the order of the text.
func hidden(r rune) bool {
	return r < ' ' && r != '\n' || r == 0x7f || r >= 0x80 && r < 0xa0 || r >= 0x202a && r <= 0x202e || r >= 0x2066 && r <= 0x2069
}
