package main

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// TestSecurityNamesDependencies: SECURITY.md names every module whose code is part of a
// released module, and no other.
func TestSecurityNamesDependencies(t *testing.T) {
	page, err := os.ReadFile("../../SECURITY.md")
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for _, dir := range released {
		out, err := output(filepath.Join("../..", dir), "go", "list", "-deps", "-f", "{{with .Module}}{{.Path}}{{end}}", "./...")
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, strings.Fields(out)...)
	}
	slices.Sort(all)
	names := strings.FieldsFunc(string(page), func(r rune) bool { return strings.ContainsRune(" ,|\n", r) })
	for _, path := range slices.Compact(all) {
		if !ours(path) && !slices.Contains(names, path) {
			t.Errorf("SECURITY.md does not say what %s reads", path)
		}
	}
	for _, name := range names {
		host, _, ok := strings.Cut(name, "/")
		if ok && strings.Contains(host, ".") && !strings.ContainsAny(name, "()`:") && !slices.Contains(all, name) {
			t.Errorf("SECURITY.md names %s, which is not a dependency", name)
		}
	}
}
