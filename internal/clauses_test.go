package internal_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// citedDocument finds the name of a specification whose clauses are cited.
var citedDocument = regexp.MustCompile(`RFC [0-9]{4,5}\b` +
	`|OpenID Connect (?:Core|Discovery|Dynamic Client Registration|Prompt Create|Session Management|RP-Initiated Logout|(?:Back|Front)-Channel Logout)` +
	`|(?:Back|Front)-Channel Logout|\bCIBA\b|FAPI-CIBA|FAPI 1\.0 Advanced|FAPI 2\.0 Security Profile|JARM|\bSSF 1\.0|\bCAEP 1\.0` +
	`|Multiple Response Type Encoding Practices|draft-ietf-oauth-identity-assertion-authz-grant|\bdraft-21|X\.690` +
	`|W3C (?:Content Security Policy Level 3|Fetch Metadata|Referrer Policy)`)

// citedClause finds clause numbers, after the sign or the word.
var citedClause = regexp.MustCompile(`§ ?[0-9A-Z][0-9]*(?:\.[0-9]+)*|\b[Ss]ections? [0-9]+(?:\.[0-9]+)*(?:(?:, | and | to )[0-9]{1,2}(?:\.[0-9]+)*\b)*`)

var clauseNumber = regexp.MustCompile(`[0-9A-Z]+(?:\.[0-9]+)*`)

// shortNames are abbreviated names of specifications, with the full names.
var shortNames = map[string]string{
	"Back-Channel Logout": "OpenID Connect Back-Channel Logout", "Front-Channel Logout": "OpenID Connect Front-Channel Logout",
	"draft-21": "draft-ietf-oauth-status-list-21",
}

// clausesIn returns the clauses that a text cites, such as "RFC 6749 §5.2". A clause belongs to the
// last specification before it. Without one it is only "§5.2".
func clausesIn(text string) (all []string) {
	text = onOneLine(text)
	documents := citedDocument.FindAllStringIndex(text, -1)
	for _, at := range citedClause.FindAllStringIndex(text, -1) {
		name := ""
		for _, d := range documents {
			if d[0] < at[0] {
				name = text[d[0]:d[1]]
			}
		}
		if full := shortNames[name]; full != "" {
			name = full
		}
		for _, number := range clauseNumber.FindAllString(strings.TrimLeft(text[at[0]:at[1]], "Ssection§ "), -1) {
			all = append(all, strings.TrimSpace(name+" §"+number))
		}
	}
	return all
}

// TestClausesIn: names are found with and without version, across lines and in lists.
func TestClausesIn(t *testing.T) {
	for text, want := range map[string]string{
		"RFC 6749 §4.1.2.1, §5.2 and RFC 8628\n§3.5.": "RFC 6749 §4.1.2.1; RFC 6749 §5.2; RFC 8628 §3.5",
		"sections 4.2 and 4.3 of it":                  "§4.2; §4.3",
		"RFC 7517 sections 4.8, 4.9":                  "RFC 7517 §4.8; RFC 7517 §4.9",
		"RFC 6749 §A.11":                              "RFC 6749 §A.11",
		"OpenID Connect CIBA Core 1.0 §7.1":           "CIBA §7.1",
		"OpenID\nConnect Core §12.2, and (§2)":        "OpenID Connect Core §12.2; OpenID Connect Core §2",
		"a section of the page":                       "",
	} {
		if got := strings.Join(clausesIn(text), "; "); got != want {
			t.Errorf("%q: %q, expected %q", text, got, want)
		}
	}
}

// TestClauses: each clause that a page, comment or string cites is in testdata/clauses.txt, where the
// numbers and headings are from the specifications. Its specification is named before it, in the same
// comment, string or paragraph.
func TestClauses(t *testing.T) {
	known := knownClauses(t)
	used := map[string]bool{}
	cited := 0
	for _, text := range citingTexts(t) {
		for _, clause := range clausesIn(text.text) {
			cited++
			used[clause] = true
			switch {
			case strings.HasPrefix(clause, "§"):
				t.Errorf("%s: of which specification is %s? Name it before the number", text.at, clause)
			case known[clause] == "":
				t.Errorf("%s: %s is not in testdata/clauses.txt. Look it up, and add it with its heading", text.at, clause)
			}
		}
	}
	for clause := range known {
		if !used[clause] {
			t.Errorf("testdata/clauses.txt: nothing cites %s", clause)
		}
	}
	if cited < 800 || len(known) < 300 {
		t.Errorf("only %d citations of %d clauses were found", cited, len(known))
	}
}

// knownClauses returns the headings of clauses: lines "RFC 6749 §5.2 Error Response".
func knownClauses(t *testing.T) map[string]string {
	known := map[string]string{}
	for line := range strings.Lines(read(t, "testdata/clauses.txt")) {
		document, rest, ok := strings.Cut(strings.TrimSpace(line), " §")
		number, heading, named := strings.Cut(rest, " ")
		switch {
		case line[0] == '#' || line == "\n":
			continue
		case !ok || !named || known[document+" §"+number] != "":
			t.Errorf("testdata/clauses.txt: %q is not a new clause with a heading", line)
		}
		known[document+" §"+number] = heading
	}
	return known
}

// citingTexts are the comments and strings of all Go files, and the paragraphs of all pages.
func citingTexts(t *testing.T) []textOf {
	all := comments(t)
	for _, page := range allPages(t) {
		for _, paragraph := range strings.Split(read(t, page), "\n\n") {
			all = append(all, textOf{page, paragraph})
		}
	}
	eachFile(t, notComments, func(path string) {
		if filepath.Ext(path) == ".go" && filepath.Base(path) != "clauses_test.go" {
			all = append(all, stringsOf(t, path)...)
		}
	})
	return all
}

func stringsOf(t *testing.T, path string) (all []textOf) {
	set := token.NewFileSet()
	file, err := parser.ParseFile(set, path, nil, parser.SkipObjectResolution)
	if err != nil {
		t.Fatal(err)
	}
	ast.Inspect(file, func(n ast.Node) bool {
		if lit, ok := n.(*ast.BasicLit); ok && lit.Kind == token.STRING {
			if text, err := strconv.Unquote(lit.Value); err == nil {
				all = append(all, textOf{set.Position(lit.Pos()).String(), text})
			}
		}
		return true
	})
	return all
}
