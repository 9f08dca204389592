package internal_test

import (
	"go/ast"
	"go/scanner"
	"go/token"
	"io/fs"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// figures are more expressions to avoid in comments. Most of them make a person of a program.
var figures = regexp.MustCompile(`(?i)\b(wants?|speaks?|believes?|hears?|dies|deserves?|strangers?` +
	`|anybody|everybody|whichever|in place of|the good one|asks? for|be asked` +
	`|has got|an own|of before|(is|are) (that|those) (of|that)|gives? back|c(ame|omes?) of)\b|^\w+ gives\b`)

// TestComments reads every comment of the repository: in Go, also in tests, and in scripts,
// styles and workflows.
func TestComments(t *testing.T) {
	all := comments(t)
	if len(all) < 8000 {
		t.Errorf("only %d comments were found", len(all))
	}
	for _, c := range all {
		for _, fault := range faultsOfComment(c.text) {
			t.Errorf("%s: %s", c.at, fault)
		}
	}
}

// faultsOfComment returns the expressions to avoid, the long sentences, and the sentences that
// the comment has twice.
func faultsOfComment(comment string) (faults []string) {
	seen := map[string]bool{}
	for _, p := range paragraphs(comment) {
		for _, s := range sentences(p) {
			s = strings.TrimRight(s, ".")
			faults = append(faults, faultsOf(s)...)
			for _, expression := range figures.FindAllString(s, -1) {
				faults = append(faults, "write something plainer than "+strconv.Quote(expression)+": "+s)
			}
			if seen[s] && strings.Contains(s, " ") {
				faults = append(faults, "this sentence is there twice: "+s)
			}
			seen[s] = true
		}
	}
	return faults
}

// TestFaultsOfComment: the check of the comments finds what it is for, and nothing else.
func TestFaultsOfComment(t *testing.T) {
	long := strings.Repeat("word ", maxTextWords+1)
	for text, faults := range map[string]int{
		"New returns a Client. It fails if a setting is missing.": 0,
		"Check takes whoever asks.":                               2,
		"The server wants a key.":                                 1,
		"key is that of the client.":                              1,
		"find gives the session.":                                 1,
		"Nobody else has it.":                                     1,
		long:                                                      1,
		"Short. " + long:                                          1,
		"The steps:\n - " + long + "\n - two":                     1,
		strings.Repeat("word ", maxTextWords) + "end. One more.":  1,
		"Every error is an [*Error]. Every error is an [*Error].": 1,
		"It fails.\n\nIt fails.":                                  1,
		"For example:\n\n\twhoever(wants)":                        0,
		"Output: nobody":                                          0,
	} {
		comment := "// " + strings.ReplaceAll(text, "\n", "\n// ")
		if got := faultsOfComment(goText(strings.Split(comment, "\n"))); len(got) != faults {
			t.Errorf("%q: %q, expected %d faults", text, got, faults)
		}
	}
}

// comments are the comments of all files. Lines that follow each other are one comment.
func comments(t *testing.T) (all []textOf) {
	err := filepath.WalkDir("..", func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && notComments[d.Name()]:
			return fs.SkipDir
		case filepath.Ext(path) == ".go":
			all = append(all, goComments(path, read(t, path))...)
		case otherCode.MatchString(path):
			all = append(all, otherComments(path, read(t, path))...)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

var notComments = map[string]bool{".git": true, ".cache": true, "node_modules": true, "testdata": true}

func goComments(path, source string) (all []textOf) {
	set := token.NewFileSet()
	file := set.AddFile(path, -1, len(source))
	var s scanner.Scanner
	s.Init(file, []byte(source), nil, scanner.ScanComments)
	var lines []string
	var at token.Position
	next := 0 // the line on which the comment can go on
	for {
		pos, tok, text := s.Scan()
		if tok == token.SEMICOLON && text == "\n" {
			continue
		}
		line := file.Line(pos)
		if len(lines) > 0 && (tok != token.COMMENT || line != next) {
			all = append(all, textOf{at.String(), goText(lines)})
			lines = nil
		}
		switch tok {
		case token.EOF:
			return all
		case token.COMMENT:
			if len(lines) == 0 {
				at = file.Position(pos)
			}
			lines = append(lines, text)
			next = line + strings.Count(text, "\n") + 1
		}
	}
}

var output = regexp.MustCompile(`(?is)(^|\n)(unordered )?output:.*`)

// goText is the text of a comment in Go, without code and the output of an example.
func goText(lines []string) string {
	group := &ast.CommentGroup{}
	for _, line := range lines {
		group.List = append(group.List, &ast.Comment{Text: line})
	}
	return strings.ReplaceAll(output.ReplaceAllString(group.Text(), ""), "\n\t", "\n    ")
}

// otherCode are files of other languages. In scripts a comment starts with #, elsewhere with //
// or is a block.
var (
	otherCode = regexp.MustCompile(`\.(js|mjs|css|sh|ya?ml)$|/(Makefile|run|find|\.ci/test)$`)
	scripts   = regexp.MustCompile(`(?m)(^[ \t]*#[^!].*\n)+`)
	blocks    = regexp.MustCompile(`(?m)(^[ \t]*//.*\n)+|(?s)/\*.*?\*/`)
	marks     = regexp.MustCompile(`(?m)^[ \t]*(#|//|/?\*+/?)`)
)

func otherComments(path, source string) (all []textOf) {
	form := scripts
	if strings.HasSuffix(path, "js") || strings.HasSuffix(path, "css") {
		form = blocks
	}
	for _, at := range form.FindAllStringIndex(source, -1) {
		line := 1 + strings.Count(source[:at[0]], "\n")
		text := strings.TrimSuffix(marks.ReplaceAllString(source[at[0]:at[1]], ""), "*/")
		all = append(all, textOf{path + ":" + strconv.Itoa(line), text})
	}
	return all
}
