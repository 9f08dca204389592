package main

import (
	"os"
	"path/filepath"
	"regexp"
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
