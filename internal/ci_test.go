package internal_test

import (
	"os/exec"
	"regexp"
	"strings"
	"testing"
)

// failedRun is what go test -v prints for tests that fail in several ways, among others that pass.
const failedRun = `=== RUN   TestPasses
    a_test.go:3: noise of a test that passes
--- PASS: TestPasses (0.00s)
=== RUN   TestGroup
=== RUN   TestGroup/one
=== PAUSE TestGroup/one
=== RUN   TestGroup/two
=== PAUSE TestGroup/two
=== CONT  TestGroup/one
    a_test.go:4: got 1, expected 2
=== CONT  TestGroup/two
    a_test.go:5: noise of another
=== NAME  TestGroup/one
    a_test.go:6: got 3, expected 4
--- FAIL: TestGroup (0.00s)
    --- FAIL: TestGroup/one (0.00s)
    --- PASS: TestGroup/two (0.00s)
=== RUN   TestPrints
a line without end--- FAIL: TestPrints (0.00s)
=== RUN   TestRaces
==================
WARNING: DATA RACE
Write at 0x00c0003822f0 by goroutine 970:
==================
    testing.go:1712: race detected during execution of test
--- FAIL: TestRaces (6.01s)
FAIL
FAIL	example.com/a	1.002s
=== RUN   TestOther
--- PASS: TestOther (0.00s)
PASS
ok  	example.com/b	0.002s
=== RUN   TestHangs
    c_test.go:3: the last line before it hangs
panic: test timed out after 40m0s
	running tests:
		TestHangs (40m0s)
FAIL	example.com/c	2400.007s
# example.com/d [example.com/d.test]
./d_test.go:3:27: undefined: name
FAIL	example.com/d [build failed]
FAIL
`

// TestFailures: make test prints the failed tests and their last lines, nothing of other tests, and
// the names at the end.
func TestFailures(t *testing.T) {
	script := exec.Command("awk", "-f", "../.ci/failures")
	script.Stdin = strings.NewReader(failedRun)
	raw, err := script.CombinedOutput()
	out := string(raw)
	if err != nil {
		t.Fatal(err, out)
	}
	for _, want := range []string{
		"=== example.com/a: TestGroup/one\n    a_test.go:4: got 1, expected 2\n    a_test.go:6: got 3, expected 4\n",
		"=== example.com/a: TestPrints\na line without end\n", "WARNING: DATA RACE\nWrite at", "race detected",
		"the last line before it hangs\npanic: test timed out", "undefined: name",
	} {
		if !strings.Contains(out, want) {
			t.Errorf("%q is missing in\n%s", want, out)
		}
	}
	const names = "\nFailed:\n  example.com/a: TestGroup\n  example.com/a: TestGroup/one\n  example.com/a: TestPrints\n  example.com/a: TestRaces\n" +
		"  example.com/c: TestHangs\n  example.com/d\n"
	if strings.Contains(out, "noise") || strings.Contains(out, "TestOther") || !strings.HasSuffix(out, names) {
		t.Errorf("the end is not %q, or tests that pass are shown:\n%s", names, out)
	}
}

// TestContributing: each command of the table is a target of the Makefile. .ci/run runs all of
// them except those that the page names.
func TestContributing(t *testing.T) {
	page, makefile, run := read(t, "../CONTRIBUTING.md"), read(t, "../Makefile"), read(t, "../.ci/run")
	_, except, _ := strings.Cut(page, "`.ci/run` runs all of them except ")
	except, _, _ = strings.Cut(except, "\n")
	rows := regexp.MustCompile("(?m)^\\| `(make (\\w+))` \\|").FindAllStringSubmatch(page, -1)
	if len(rows) < 9 || except == "" {
		t.Fatalf("%q, except %q", rows, except)
	}
	for _, row := range rows {
		command, target := row[1], row[2]
		if !strings.Contains(makefile, "\n"+target+":") {
			t.Errorf("%s is not a target", command)
		}
		if runs := strings.Contains(run, "\n"+command+"\n"); runs == strings.Contains(except, "`"+command+"`") && command != "make test" {
			t.Errorf("%s: .ci/run runs it: %t; the page excepts %q", command, runs, except)
		}
	}
}
