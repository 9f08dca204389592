package internal_test

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// maxTextWords is the length of a sentence of an error, a log message or a page. %s counts as a
// word.
const maxTextWords = 25

// idioms are more expressions to avoid in errors: each has a plain technical word.
var idioms = regexp.MustCompile(`(?i)\b(nobody|are none|of (their|your) own|alone|meanwhile|asked for|agreed on|cannot be asked|somebody` +
	`|anybody|everybody|speaks|what (comes|came) back|nothing but|if (it|one) is there)\b`)

var textEnd = regexp.MustCompile(`[.;!?]\s+`)

// TestTexts reads the texts of the code: errors, log messages and pages. None has an expression
// to avoid, and no sentence is too long.
func TestTexts(t *testing.T) {
	all := texts(t)
	if len(all) < 1200 {
		t.Errorf("only %d texts were found", len(all))
	}
	for _, s := range all {
		for _, fault := range faultsOf(s.text) {
			t.Errorf("%s: %s", s.at, fault)
		}
	}
}

// faultsOf returns what is wrong with a text. A colon does not end a sentence.
func faultsOf(text string) (faults []string) {
	for _, expression := range append(avoided.FindAllString(text, -1), idioms.FindAllString(text, -1)...) {
		faults = append(faults, fmt.Sprintf("write something plainer than %q: %s", expression, text))
	}
	for _, sentence := range textEnd.Split(text, -1) {
		if n := len(strings.Fields(sentence)); n > maxTextWords {
			faults = append(faults, fmt.Sprintf("a sentence has %d words, at most %d are allowed: %s", n, maxTextWords, sentence))
		}
	}
	return faults
}

// TestFaultsOf: the check of the texts finds each kind of fault, and accepts the rest.
func TestFaultsOf(t *testing.T) {
	long := strings.Repeat("word ", maxTextWords+1)
	for text, faults := range map[string]int{
		"iss is %s, expected %s: set JWT.Issuer":               0,
		"JoinKeys takes key sets of package discovery alone":   2,
		"this grant has checks of its own: use %s":             1,
		"nobody answered in time":                              1,
		"the header has alg none, which is not accepted":       0,
		"the server speaks http, and anybody can read it":      2,
		"an attack changes what comes back, nothing but that":  2,
		"remove the key if it is there":                        1,
		long:                                                   1,
		strings.Repeat("word ", maxTextWords) + "end. " + long: 2,
		strings.Repeat("two words. ", maxTextWords):            0,
	} {
		if got := faultsOf(text); len(got) != faults {
			t.Errorf("%q: %q, expected %d faults", text, got, faults)
		}
	}
}

// notTexts are directories whose texts only this project's own tests show.
var notTexts = map[string]bool{".git": true, "testdata": true, "badtoken": true, "interop": true}

// textOf is a text of the code, and where it is.
type textOf struct{ at, text string }

// texts returns the string literals of several words. Tests, other languages and struct tags are
// excluded.
func texts(t *testing.T) (all []textOf) {
	eachFile(t, notTexts, func(path string) {
		if strings.HasSuffix(path, ".go") && !strings.HasSuffix(path, "_test.go") {
			all = append(all, textsIn(t, path)...)
		}
	})
	return all
}

func textsIn(t *testing.T, path string) (all []textOf) {
	set := token.NewFileSet()
	file, err := parser.ParseFile(set, path, nil, parser.SkipObjectResolution)
	if err != nil {
		t.Fatal(err)
	}
	ast.Inspect(file, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.ImportSpec:
			return false
		case *ast.Field:
			n.Tag = nil // it is parsed, so that the visit skips it
		case *ast.BinaryExpr, *ast.BasicLit:
			if text := joined(n.(ast.Expr)); isProse(text) {
				all = append(all, textOf{set.Position(n.Pos()).String(), text})
			}
		}
		return true
	})
	return all
}

// joined returns the text of a literal, or of literals and values that are joined by +.
func joined(e ast.Expr) string {
	switch e := e.(type) {
	case *ast.BinaryExpr:
		if e.Op == token.ADD {
			return joined(e.X) + joined(e.Y)
		}
	case *ast.BasicLit:
		if text, err := strconv.Unquote(e.Value); err == nil && e.Kind == token.STRING {
			return text
		}
	}
	return "…"
}

// isProse excludes single words, style sheets, templates, pictures and statements of databases.
func isProse(text string) bool {
	return strings.Contains(strings.TrimSpace(text), " ") && !strings.Contains(text, "\n") && !statement.MatchString(text)
}

var statement = regexp.MustCompile(`^\s*(SELECT|INSERT|UPDATE|DELETE|CREATE|WITH|data:)`)
