package main

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

var (
	makeCalls = regexp.MustCompile(`\bmake ([a-z]+)`)
	matrix    = regexp.MustCompile(`matrix: \{target: \[([a-z, ]+)\]\}`)
)

// TestWorkflowsCallMake: the workflows run what a developer runs. Each step of a shell calls a
// target of the Makefile.
func TestWorkflowsCallMake(t *testing.T) {
	makefile, err := os.ReadFile("../../Makefile")
	if err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob("../../.github/workflows/*.yml")
	if err != nil || len(files) == 0 {
		t.Fatal("no workflows", err)
	}
	called := map[string]bool{}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, line := range strings.Split(string(text), "\n") {
			if strings.Contains(line, "run:") && !strings.Contains(line, "run: make ") {
				t.Errorf("%s: %q runs something other than make", file, strings.TrimSpace(line))
			}
		}
		for _, m := range makeCalls.FindAllStringSubmatch(string(text), -1) {
			called[m[1]] = true
		}
		for _, m := range matrix.FindAllStringSubmatch(string(text), -1) {
			for _, target := range strings.Split(m[1], ", ") {
				called[target] = true
			}
		}
	}
	for target := range called {
		if !strings.Contains(string(makefile), "\n"+target+":") {
			t.Errorf("a workflow calls make %s, which is no target", target)
		}
	}
	for _, target := range []string{"test", "release", "fuzz", "interop", "browser", "proxies", "soak"} {
		if !called[target] {
			t.Errorf("no workflow calls make %s", target)
		}
	}
}

// pinned is an action at a commit, with its version for the reader and for Dependabot.
var pinned = regexp.MustCompile(`^- uses: [\w./-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+$`)

// TestWorkflowsAreSafe: an action is pinned to a commit, because a tag can move. No workflow starts
// with the rights of the repository for the code of a fork. No step puts the text of a user
// into a shell, and the token is not left in the checkout.
func TestWorkflowsAreSafe(t *testing.T) {
	files, err := filepath.Glob("../../.github/workflows/*.yml")
	if err != nil || len(files) == 0 {
		t.Fatal("no workflows", err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, line := range strings.Split(string(text), "\n") {
			line = strings.TrimSpace(line)
			if strings.Contains(line, "uses:") && !pinned.MatchString(line) {
				t.Errorf("%s: %q is not pinned to a commit", file, line)
			}
			if strings.Contains(line, "run:") && strings.Contains(strings.ReplaceAll(line, "${{ matrix.target }}", ""), "${{") {
				t.Errorf("%s: %q puts an expression into a shell", file, line)
			}
		}
		if strings.Contains(string(text), "pull_request_target") || !strings.Contains(string(text), "\npermissions: {contents: read}\n") {
			t.Errorf("%s has more rights than to read the repository", file)
		}
		if n := strings.Count(string(text), "actions/checkout@"); strings.Count(string(text), "persist-credentials: false") != n {
			t.Errorf("%s: not each of %d checkouts has persist-credentials: false", file, n)
		}
	}
}

// TestDependabotDirectories: each directory exists, and has a file of the ecosystem.
func TestDependabotDirectories(t *testing.T) {
	text, err := os.ReadFile("../../.github/dependabot.yml")
	if err != nil {
		t.Fatal(err)
	}
	var covered []string
	for _, entry := range strings.Split(string(text), "package-ecosystem: ")[1:] {
		file := map[string]string{"gomod": "go.mod", "npm": "package.json", "github-actions": ".github/workflows/*.yml"}[strings.Fields(entry)[0]]
		for _, m := range regexp.MustCompile(`'?(/[\w/*-]*)'?[,\]\n]`).FindAllStringSubmatch(entry, -1) {
			found, err := filepath.Glob(filepath.Join("../..", m[1], file))
			if err != nil || len(found) == 0 {
				t.Errorf("%s is no directory with a %s", m[1], file)
			}
			covered = append(covered, found...)
		}
	}
	files, err := git("../..", "ls-files", "*go.mod", "*package.json")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range strings.Fields(files) {
		if !slices.Contains(covered, filepath.Join("../..", file)) {
			t.Errorf("Dependabot does not see %s", file)
		}
	}
}
