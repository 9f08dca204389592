package tokenview

import (
	"fmt"
	"io"
	"regexp"
	"strings"

	"github.com/countersign/countersign/idtoken"
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

func (p painter) mark(ok bool) string {
	if ok {
		return p.paint(green, "✓")
	}
	return p.paint(red, "✗")
}

var member = regexp.MustCompile(`(?m)^(\s*)("(?:[^"\\]|\\.)*")(:)`)

// json gives an object with coloured names. Control characters are escaped in JSON; those
// beyond ASCII that change a terminal are removed.
func (p painter) json(data []byte) string {
	text := strings.Map(func(r rune) rune {
		if r == 0x7f || r >= 0x80 && r < 0xa0 || r >= 0x202a && r <= 0x202e || r >= 0x2066 && r <= 0x2069 {
			return '?'
		}
		return r
	}, indent(data))
	if !p.color {
		return text
	}
	return member.ReplaceAllString(text, "$1\x1b["+cyan+"m$2\x1b[0m$3")
}

// The steps that need keys.
const (
	signatureStep = 6
	keyStep       = 8
)

// report writes the 14 steps. Without keys the signature is called not checked.
func (p painter) report(w io.Writer, r *idtoken.Report, withoutKeys bool) (passed bool) {
	passed = true
	width := 0
	for _, s := range r.Steps {
		width = max(width, len(s.Test))
	}
	fmt.Fprintln(w, p.bold("The 14 steps of ID token validation"))
	for _, s := range r.Steps {
		result, detail := s.Result.String(), s.Reason
		switch {
		case withoutKeys && (s.Number == signatureStep || s.Number == keyStep):
			result, detail = p.paint(grey, "not checked"), "the key set was not fetched: use -fetch"
		case s.Err != nil:
			passed = false
			result, detail = p.paint(red, result), s.Err.Error()
		case s.Result == idtoken.Valid:
			result = p.paint(green, result)
		}
		fmt.Fprintf(w, "%2d  %s  %s  %s\n", s.Number, fmt.Sprintf("%-*s", width, s.Test), result, p.paint(grey, detail))
	}
	return passed
}
