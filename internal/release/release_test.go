package main

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

const version = "v0.1.0"

// environment makes the go command use the proxy in dir for the modules of this repository, and
// earlier downloads for all others.
func environment(t *testing.T, proxy string) []string {
	t.Helper()
	value := func(name string) string {
		out, err := output(".", "go", "env", name)
		if err != nil {
			t.Fatal(err)
		}
		return out
	}
	cache := t.TempDir()
	t.Cleanup(func() { _, _ = output(".", "chmod", "-R", "u+w", cache) }) // the go command writes it read-only
	return append(os.Environ(),
		"GOMODCACHE="+cache, "GOFLAGS=-mod=mod", "GONOSUMDB="+rootPath+","+rootPath+"/*",
		"GOPROXY=file://"+proxy+",file://"+filepath.Join(value("GOMODCACHE"), "cache", "download")+","+value("GOPROXY"))
}

// goCommand runs the go command and fails the test with its output.
func goCommand(t *testing.T, env []string, dir string, args ...string) string {
	t.Helper()
	cmd := exec.Command("go", args...)
	cmd.Dir, cmd.Env = dir, env
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("go %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return string(out)
}

// An empty program fetches each released module, one at a time, and compiles the module's Examples.
func TestEachModuleAlone(t *testing.T) {
	if os.Getenv("RELEASE") == "" {
		t.Skip("make release runs it")
	}
	modules, err := findModules("../..")
	if err != nil {
		t.Fatal(err)
	}
	proxy := t.TempDir()
	if err := writeProxy(proxy, version, modules); err != nil {
		t.Fatal(err)
	}
	env := environment(t, proxy)
	for _, m := range modules {
		t.Run(strings.TrimPrefix(m.path, "github.com/"), func(t *testing.T) {
			if strings.Contains(m.path, "/cmd/") {
				runsCommand(t, env, m)
				return
			}
			compilesExamples(t, env, m)
		})
	}
}

func compilesExamples(t *testing.T, env []string, m *goModule) {
	examples, err := examplesOf(m.dir)
	if err != nil || len(examples) == 0 {
		t.Fatalf("%s has no Example in an external test package: %v", m.path, err)
	}
	dir := t.TempDir()
	goCommand(t, env, dir, "mod", "init", "example.com/app")
	goCommand(t, env, dir, "get", m.path+"@"+version)
	for i, name := range examples {
		data, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		place := filepath.Join(dir, "p"+string(rune('a'+i)))
		if err := os.MkdirAll(place, 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(place, "example_test.go"), data, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	goCommand(t, env, dir, "mod", "tidy")
	goCommand(t, env, dir, "vet", "./...")
	if mod, _ := os.ReadFile(filepath.Join(dir, "go.mod")); bytes.Contains(mod, []byte("replace")) || !bytes.Contains(mod, []byte(m.path+" "+version)) {
		t.Errorf("go.mod of the program:\n%s", mod)
	}
}

// examplesOf returns the example_test.go files of a module that use exported packages only, as
// users' programs do.
func examplesOf(dir string) ([]string, error) {
	var names []string
	err := filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && path != dir {
			_, err := os.Stat(filepath.Join(path, "go.mod"))
			if err == nil || d.Name() == "internal" || strings.HasPrefix(d.Name(), ".") {
				return filepath.SkipDir
			}
		}
		if d.Name() != "example_test.go" {
			return nil
		}
		data, err := os.ReadFile(path)
		if err == nil && !bytes.Contains(data, []byte(rootPath+"/internal/")) {
			names = append(names, path)
		}
		return err
	})
	return names, err
}

// The command runs without a checkout of this repository.
func runsCommand(t *testing.T, env []string, m *goModule) {
	cmd := exec.Command("go", "run", m.path+"@"+version, "-h")
	cmd.Dir, cmd.Env = t.TempDir(), env
	out, err := cmd.CombinedOutput()
	if err != nil || !bytes.Contains(out, []byte("doctor")) {
		t.Fatalf("%v\n%s", err, out)
	}
}

// A release loses a replace directive, so only siblings may be replaced.
func TestForeignReplaceIsRejected(t *testing.T) {
	dir := t.TempDir()
	mod := "module " + rootPath + "/x\n\ngo 1.26.0\n\nrequire golang.org/x/mod v0.43.0\n\nreplace golang.org/x/mod => ../mod\n"
	if err := os.WriteFile(filepath.Join(dir, "go.mod"), []byte(mod), 0o644); err != nil {
		t.Fatal(err)
	}
	m, err := readModule(dir)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := m.require(version); err == nil || !strings.Contains(err.Error(), "golang.org/x/mod") {
		t.Errorf("error %v, expected one that names the module", err)
	}
}
