package internal_test

import (
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// figures are more expressions to avoid in comments. Most of them make a person of a program.
var figures = regexp.MustCompile(`(?i)\b(wants?|speaks?|believes?|hears?|dies|deserves?|strangers?` +
	`|anybody|everybody|whichever|in place of|the good one|asks? for|be asked` +
	`|has got|an own|of before|of now|goes on|once more|the (latter|former)|lets? through|(is|are) (that|those) (of|that)|gives? back|c(ame|omes?) of|and so (is|are|do|does|has|have))\b|^\w+ gives\b|^Nor\b`)

// TestComments reads every comment of the repository: in Go, also in tests, and in scripts,
// styles, pages, templates, statements of databases and workflows.
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

// TestFaultsOfComment: the check of the comments finds each kind of fault, and accepts the rest.
func TestFaultsOfComment(t *testing.T) {
	long := strings.Repeat("word ", maxTextWords+1)
	for text, faults := range map[string]int{
		"New returns a Client. It fails if a setting is missing.":     0,
		"Check takes whoever asks.":                                   2,
		"The server wants a key.":                                     1,
		"key is that of the client.":                                  1,
		"find gives the session.":                                     1,
		"Nobody else has it.":                                         1,
		"The page is encrypted, and so is the key.":                   1,
		"The page is not sent. Nor is the key.":                       1,
		"Neither the page nor the key is sent, and so the call ends.": 0,
		long:                                  1,
		"Short. " + long:                      1,
		"The steps:\n - " + long + "\n - two": 1,
		strings.Repeat("word ", maxTextWords) + "end. One more.":  1,
		"Every error is an [*Error]. Every error is an [*Error].": 1,
		"It fails.\n\nIt fails.":                                  1,
		"For example:\n\n\twhoever(wants)":                        0,
		"Output: nobody":                                          0,
	} {
		found := goComments(t, "a.go", "package a\n\n// "+strings.ReplaceAll(text, "\n", "\n// "))
		if got := faultsOfComment(found[0].text); len(found) != 1 || len(got) != faults {
			t.Errorf("%q: %q, expected %d faults", text, got, faults)
		}
	}
}

// TestCommentsOf: comments are found at any place of a file, in each language.
func TestCommentsOf(t *testing.T) {
	for _, test := range []struct {
		path, source string
		want         []textOf
	}{
		{"a.go", "// One,\n// two.\npackage a\n\nfunc f() {\n\tg() // three\n\t/* four */\n}\n",
			[]textOf{{"a.go:1:1", "One,\ntwo.\n"}, {"a.go:6:6", "three\n"}, {"a.go:7:2", " four\n"}}},
		{"a/run", "#!/bin/sh\n# One,\n# two.\nset -e\n  # three\n", []textOf{{"a/run:2", " One,\n two.\n"}, {"a/run:5", " three\n"}}},
		{"a.js", "// One.\ncall()\n/* two\n * three */\n", []textOf{{"a.js:1", " One.\n"}, {"a.js:3", " two\n three "}}},
		{"a.sh", "#!/bin/sh\nx=$# # one\necho a#b '#c'\n", []textOf{{"a.sh:2", " one"}}},
		{"a.yml", "key: value # one\nlink: https://a.example/#b\n", []textOf{{"a.yml:1", " one"}}},
		{"./Makefile", "all: # one\n\tgo test ./...\n", []textOf{{"./Makefile:1", " one"}}},
		{"a.mjs", "call() // one\nfetch('https://a.example')\n", []textOf{{"a.mjs:1", " one"}}},
		{"a.css", "a { color: red; } /* one */\n", []textOf{{"a.css:1", " one "}}},
		{"a.html", "<!-- one -->\n<p>{{/* two */}}</p>\n", []textOf{{"a.html:1", " one "}, {"a.html:2", " two "}}},
		{"a.sql", "-- One,\n-- two.\nSELECT 1 -- three\n", []textOf{{"a.sql:1", " One,\n two.\n"}, {"a.sql:3", " three"}}},
		{"a.go", "package a\n\nconst s = `\n-- One.\nCREATE TABLE t (n INT) -- two\n`\n", []textOf{{"a.go:4:1", " One.\n"}, {"a.go:5:23", " two"}}},
		{"a.go", "package a\n\nconst s = `<p><!-- one -->{{- /* two */}}</p> -- no /* no */`\n", []textOf{{"a.go:3:15", " one "}, {"a.go:3:27", " two "}}},
	} {
		if got := commentsOf(t, test.path, test.source); !slices.Equal(got, test.want) {
			t.Errorf("%q, expected %q", got, test.want)
		}
	}
}

// TestFaultsBehindCode: the check reads comments behind code, and in pages, templates and
// statements.
func TestFaultsBehindCode(t *testing.T) {
	for path, source := range map[string]string{
		"a.sh": "x=1 # brings a key\n", "./Makefile": "all: # brings a key\n", "a.yml": "a: b # brings a key\n", "a.js": "f() // brings a key\n",
		"a.css": "a {} /* brings a key */", "a.html": "<p>a</p> <!-- brings a key -->", "a.sql": "SELECT 1 -- brings a key\n",
		"a.go": "package a\n\nconst s = `{{/* brings a key */}}`\n",
	} {
		found := commentsOf(t, path, source)
		if len(found) != 1 || len(faultsOfComment(found[0].text)) != 1 {
			t.Errorf("%s: %q, expected one comment with one fault", path, found)
		}
	}
}

// comments returns the comments of all files. Adjacent lines are one comment.
func comments(t *testing.T) (all []textOf) {
	eachFile(t, notComments, func(path string) {
		if filepath.Ext(path) == ".go" || otherCode.MatchString(path) {
			all = append(all, commentsOf(t, path, read(t, path))...)
		}
	})
	return all
}

// eachFile calls visit for each file of the repository that is not below one of the directories.
func eachFile(t *testing.T, except map[string]bool, visit func(path string)) {
	err := filepath.WalkDir("..", func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && except[d.Name()]:
			return fs.SkipDir
		case !d.IsDir():
			visit(path)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

var notComments = map[string]bool{".git": true, ".cache": true, "node_modules": true, "testdata": true}

func commentsOf(t *testing.T, path, source string) []textOf {
	if filepath.Ext(path) == ".go" {
		return goComments(t, path, source)
	}
	return otherComments(path, source)
}

func goComments(t *testing.T, path, source string) (all []textOf) {
	set := token.NewFileSet()
	file, err := parser.ParseFile(set, path, source, parser.ParseComments|parser.SkipObjectResolution)
	if err != nil {
		t.Fatal(err)
	}
	for _, group := range file.Comments {
		text := output.ReplaceAllString(group.Text(), "")
		all = append(all, textOf{set.Position(group.Pos()).String(), strings.ReplaceAll(text, "\n\t", "\n    ")})
	}
	return append(all, literalComments(set, file)...)
}

// output is the expected output of an example. Like code, it is not part of the text.
var output = regexp.MustCompile(`(?is)(^|\n)(unordered )?output:.*`)
