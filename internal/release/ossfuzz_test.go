package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// compiler replaces the script of the same name in the build image of OSS-Fuzz. Like that script,
// it finds the target's file and compiles all tests of the directory as files of the package. It
// does not link the fuzzer.
const compiler = `#!/bin/bash -eu
dir=$(go list -f '{{.Dir}}' "$1")
[[ $(grep -lE "^func $2\(f \*testing.F\)" "$dir"/*.go | wc -l) == 1 ]] || { echo "no target $2 in $1" >&2; exit 1; }
{
  printf '{"Replace": {"/none": ""'
  for file in "$dir"/*_test.go; do printf ', "%s": "%s"' "${file%_test.go}_libFuzzer.go" "$file"; done
  printf '}}'
} >"$OUT/overlay.json"
go build -tags gofuzz -overlay "$OUT/overlay.json" "$1"
echo "$3" >>"$OUT/fuzzers"
`

// TestOSSFuzz runs the build script of OSS-Fuzz on a copy of the repository: it compiles every
// fuzz target.
func TestOSSFuzz(t *testing.T) {
	if os.Getenv("RELEASE") == "" {
		t.Skip("make release runs it")
	}
	src, out := t.TempDir(), t.TempDir()
	want := checkout(t, filepath.Join(src, "countersign"))
	write := func(name, text string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(out, name), []byte(text), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	write("compile_native_go_fuzzer_v2", compiler)
	script := exec.Command("bash", "-eu", filepath.Join(src, "countersign/.github/oss-fuzz/build.sh"))
	script.Env = append(os.Environ(), "SRC="+src, "OUT="+out, "PATH="+out+":"+os.Getenv("PATH"), "GOFLAGS=-mod=mod")
	if said, err := script.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%.4000s", err, said)
	}
	built, err := os.ReadFile(filepath.Join(out, "fuzzers"))
	if n := len(strings.Fields(string(built))); err != nil || n != want || n == 0 {
		t.Errorf("%d fuzzers, expected %d, %v\n%s", n, want, err, built)
	}
}

// checkout copies the files of the repository to dir, and gives the number of fuzz targets.
func checkout(t *testing.T, dir string) (targets int) {
	t.Helper()
	files, err := git("../..", "ls-files")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range strings.Split(files, "\n") {
		data, err := os.ReadFile(filepath.Join("../..", name))
		if err != nil {
			t.Fatal(err)
		}
		if strings.HasSuffix(name, "_test.go") {
			targets += strings.Count("\n"+string(data), "\nfunc Fuzz")
		}
		if err := os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), data, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for _, args := range [][]string{{"init", "-q"}, {"add", "-A"}} {
		if _, err := git(dir, args...); err != nil {
			t.Fatal(err)
		}
	}
	return targets
}
