package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// The files of a small repository with two modules. Its tests are an Example, tests that a user
// could have written, and tests that use internal names.
var tagged = map[string]string{
	"go.mod": "module example.com/m\n\ngo 1.26.0\n",
	"p/p.go": "package p\n\nimport (\n\t\"example.com/m/internal/e\"\n\t\"example.com/m/internal/h\"\n)\n\n// E is exported.\ntype E = e.Kind\n\n// F is exported.\nfunc F(s string) { hidden() }\n\n" +
		"// T is exported.\ntype T struct{ A int }\n\n// U is exported.\ntype U struct{ A int }\n\n// G is exported.\nfunc G() { h.Help() }\n\nfunc hidden() {}\n",
	"internal/h/h.go":          "package h\n\n// Help is internal.\nfunc Help() {}\n",
	"p/example_test.go":        "package p_test\n\nimport \"example.com/m/p\"\n\nfunc ExampleF() { p.F(\"\") }\n",
	"p/literal_test.go":        "package p_test\n\nimport (\n\t\"testing\"\n\n\t\"example.com/m/p\"\n)\n\nfunc TestLiteral(t *testing.T) { p.F(text(p.T{1})) }\n",
	"p/helper_test.go":         "package p_test\n\nimport \"example.com/m/p\"\n\nfunc text(p.T) string { return \"\" }\n",
	"p/export_test.go":         "package p\n\nvar Hidden = hidden\n",
	"p/hidden_test.go":         "package p_test\n\nimport (\n\t\"testing\"\n\n\t\"example.com/m/p\"\n)\n\nfunc TestHidden(t *testing.T) { p.Hidden() }\n",
	"p/internal_test.go":       "package p_test\n\nimport (\n\t\"testing\"\n\n\t\"example.com/m/internal/h\"\n)\n\nfunc TestHelp(t *testing.T) { helped() }\n\nfunc helped() { h.Help() }\n",
	"internal/e/e.go":          "package e\n\n// Kind is in the API.\ntype Kind int\n\n// One is internal.\nfunc One() Kind { return 1 }\n",
	"internal/k/k.go":          "package k\n\nimport (\n\t_ \"embed\"\n\n\t\"example.com/m/internal/e\"\n\t\"example.com/m/internal/h\"\n)\n\n// Kind is a helper of tests.\nfunc Kind() e.Kind { return e.One() }\n\n//go:embed one.txt\nvar text string\n\n// One is a helper of tests.\nfunc One() int { h.Help(); return len(text) }\n",
	"internal/k/one.txt":       "1",
	"p/made_test.go":           "package p_test\n\nimport (\n\t\"testing\"\n\n\t\"example.com/m/internal/k\"\n\t\"example.com/m/p\"\n)\n\nfunc TestMade(t *testing.T) {\n\tvar _ p.E = k.Kind()\n\t_ = p.U{k.One()}\n}\n",
	"p/calls_test.go":          "package p_test\n\nimport \"testing\"\n\nfunc TestHelped(t *testing.T) { helped() }\n",
	"redisstore/go.mod":        "module example.com/m/redisstore\n\ngo 1.26.0\n\nrequire example.com/m v0.0.0\n\nreplace example.com/m => ../\n",
	"redisstore/r.go":          "package redisstore\n\nimport \"example.com/m/p\"\n\n// R is exported.\ntype R struct{ A p.T }\n",
	"redisstore/r_test.go":     "package redisstore_test\n\nimport (\n\t\"testing\"\n\n\t\"example.com/m/redisstore\"\n)\n\nfunc TestR(t *testing.T) { _ = redisstore.R{}.A }\n",
	"redisstore/store_test.go": "package redisstore\n\nimport \"testing\"\n\nfunc TestInside(t *testing.T) {}\n",
}

// small is a repository in a temporary directory.
type small struct {
	t   *testing.T
	dir string
}

func (s small) write(name, text string) {
	s.t.Helper()
	name = filepath.Join(s.dir, name)
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		s.t.Fatal(err)
	}
	if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
		s.t.Fatal(err)
	}
}

// change replaces a part of a file.
func (s small) change(name, old, text string) {
	s.t.Helper()
	if !strings.Contains(tagged[name], old) {
		s.t.Fatalf("%s has no %q", name, old)
	}
	s.write(name, strings.Replace(tagged[name], old, text, 1))
}

func (s small) git(args ...string) {
	s.t.Helper()
	if _, err := git(s.dir, append([]string{"-c", "user.name=t", "-c", "user.email=t@t.example"}, args...)...); err != nil {
		s.t.Fatal(err)
	}
}

func (s small) gate() (printed string, err error) {
	var w bytes.Buffer
	err = compareWithLastTag(&w, s.dir)
	return w.String(), err
}

// newSmall makes the repository with its tag.
func newSmall(t *testing.T) small {
	t.Helper()
	s := small{t, t.TempDir()}
	for name, text := range tagged {
		s.write(name, text)
	}
	s.git("init", "-q")
	s.git("add", ".")
	s.git("commit", "-q", "-m", "one")
	if _, err := s.gate(); err != nil {
		t.Fatal("without a tag:", err)
	}
	s.git("tag", "v0.1.0")
	return s
}

// The gate compares two versions of a small repository.
func TestGate(t *testing.T) {
	for name, test := range map[string]struct {
		change func(small)
		wrong  string // "" if the gate accepts it
	}{
		"same":                            {func(small) {}, ""},
		"addition":                        {func(s small) { s.change("p/p.go", "func hidden", "// H is new.\nfunc H() {}\n\nfunc hidden") }, ""},
		"removal":                         {func(s small) { s.change("p/p.go", "\nfunc G() {", "\nfunc g() {") }, "G: removed"},
		"signature":                       {func(s small) { s.change("p/p.go", "F(s string)", "F(n int)") }, "F: changed"},
		"a field that is added":           {func(s small) { s.change("p/p.go", "A int", "A int; B int") }, "literal_test.go"},
		"a field of a test with a helper": {func(s small) { s.change("p/p.go", "type U struct{ A int }", "type U struct{ A, B int }") }, "made_test.go"},
		"a removed helper":                {func(s small) { s.git("rm", "-rq", "internal/k", "p/made_test.go") }, ""},
		"hidden functions": {func(s small) {
			s.write("p/p.go", strings.NewReplacer("hidden() }", "}", "func hidden() {}\n", "").Replace(tagged["p/p.go"]))
			s.write("p/export_test.go", "package p\n")
			s.write("p/hidden_test.go", "package p_test\n")
		}, ""},
		"an internal package": {func(s small) {
			s.write("internal/h/h.go", "package h\n\n// Other is internal.\nfunc Other() {}\n")
			s.change("p/p.go", "h.Help", "h.Other")
			s.change("internal/k/k.go", "h.Help", "h.Other")
			s.write("p/internal_test.go", "package p_test\n")
			s.write("p/calls_test.go", "package p_test\n")
		}, ""},
		"tests that were removed": {func(s small) { s.git("rm", "-q", "p/literal_test.go", "p/example_test.go", "redisstore/r_test.go") }, ""},
		"tests that do not compile now": {func(s small) {
			s.write("p/new_test.go", "package p_test\n\nfunc broken() { undefined() }\n")
		}, ""},
		"a removed package":            {func(s small) { s.git("rm", "-rq", "p", "redisstore/r.go", "redisstore/r_test.go") }, "the package was removed"},
		"a field of another module":    {func(s small) { s.change("redisstore/r.go", "A p.T", "B p.T") }, "R.A: removed"},
		"another module does not need": {func(s small) { s.change("redisstore/r.go", "type R struct{ A p.T }", "type R struct{ A, B p.T }") }, ""},
		"a removed module":             {func(s small) { s.git("rm", "-rq", "redisstore") }, "module redisstore was removed"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSmall(t)
			test.change(s)
			printed, err := s.gate()
			if test.wrong == "" && err != nil || test.wrong != "" && (err == nil || !strings.Contains(err.Error(), test.wrong)) {
				t.Errorf("error %v, expected %q\n%s", err, test.wrong, printed)
			}
		})
	}
}

// Which tests of the tag are compiled: an Example, two with only exported names, three with internal
// helpers, and one of the other module.
func TestPublicTests(t *testing.T) {
	printed, err := newSmall(t).gate()
	if err != nil {
		t.Fatal(err)
	}
	for _, line := range []string{"module .: 6 test files of the tag are compiled, 1 others", "module redisstore: 1 test files of the tag are compiled, 0 others"} {
		if !strings.Contains(printed, line) {
			t.Errorf("the gate does not print %q:\n%s", line, printed)
		}
	}
}
