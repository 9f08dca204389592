// Package internal_test checks the rules of the repository: which package imports which, what the
// pages say, and what the code never prints.
package internal_test

import (
	"encoding/json"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/countersign/countersign"

// graph has, for every package, the packages of this module that it may import, lower ones first.
// A package that is not here is an error.
var graph = map[string][]string{
	"internal/redact":     {},
	"internal/jose":       {},
	"internal/htmlpage":   {},
	"pkce":                {"internal/redact"},
	"internal/endpoint":   {"internal/jose", "internal/redact"},
	"internal/dpop":       {"internal/jose"},
	"discovery":           {"internal/endpoint", "internal/jose", "internal/redact"},
	"par":                 {"internal/endpoint", "internal/jose", "internal/redact"},
	"idtoken":             {"internal/jose", "internal/redact"},
	"client/auth":         {"internal/jose", "internal/redact"},
	"client":              {"client/auth", "discovery", "idtoken", "internal/dpop", "internal/endpoint", "internal/jose", "internal/redact", "par", "pkce"},
	"client/grant":        {"client", "client/auth", "discovery", "idtoken", "internal/redact"}, // no other internal package, to prove that other modules can do the same
	"client/tokens":       {"client", "client/auth", "idtoken", "internal/endpoint", "internal/redact"},
	"client/login":        {"client", "client/tokens", "idtoken", "internal/htmlpage", "internal/jose", "internal/redact", "internal/testseam"},
	"client/registration": {"client", "client/auth", "discovery", "internal/endpoint", "internal/jose", "internal/redact"},
	"rs":                  {"discovery", "internal/dpop", "internal/endpoint", "internal/jose", "internal/redact", "internal/testseam"},
	"rs/ssf":              {"discovery", "internal/endpoint", "internal/jose"},
	"rs/authzen":          {"internal/endpoint", "internal/jose", "rs"},
	"internal/optest":     {"discovery/issuertest"}, // for tests only
	"internal/badtoken":   {"internal/optest"},
	"internal":            {},

	"client/loopback": {"client", "internal/htmlpage", "internal/jose"},
	"client/crossapp": {"client", "client/grant", "client/tokens", "internal/jose", "internal/redact"},

	// The test kit, see TestKit.
	"discovery/issuertest": {"internal/jose", "internal/redact"},
	"rs/rstest":            {"internal/testseam", "rs"},
	"client/logintest":     {"client", "client/login", "internal/testseam"},
	"internal/testseam":    {},

	"internal/freeport":  {},                    // for tests only
	"internal/pgtest":    {"internal/freeport"}, // for tests only
	"internal/redistest": {"internal/freeport"}, // for tests only

	"client/login/storetest": {}, // for tests only
}

// importers has the packages that may import another module.
var importers = map[string][]string{
	"github.com/lestrrat-go/jwx/v3":      {"internal/jose"},
	"github.com/coreos/go-oidc/v3":       {"idtoken"},
	"golang.org/x/oauth2":                {"client", "client/tokens"},
	"github.com/go-jose/go-jose/v4":      {}, // for go-oidc; otherwise only in fuzz tests, for comparison
	"github.com/go-json-experiment/json": {"client", "client/grant", "client/login", "client/registration", "discovery", "idtoken", "internal/jose", "par", "rs", "rs/authzen", "rs/ssf"},
}

type pkg struct {
	ImportPath string
	Imports    []string
}

func packages(t *testing.T) []pkg {
	cmd := exec.Command("go", "list", "-json=ImportPath,Imports", module+"/...")
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	var all []pkg
	for d := json.NewDecoder(strings.NewReader(string(out))); ; {
		var p pkg
		if err := d.Decode(&p); err == io.EOF {
			return all
		} else if err != nil {
			t.Fatal(err)
		}
		all = append(all, p)
	}
}

func TestGraph(t *testing.T) {
	for _, p := range packages(t) {
		name := strings.TrimPrefix(p.ImportPath, module+"/")
		allowed, known := graph[name]
		if !known {
			t.Errorf("package %s is not in the graph", name)
		}
		for _, path := range p.Imports {
			if ours, ok := strings.CutPrefix(path, module+"/"); ok {
				if !slices.Contains(allowed, ours) {
					t.Errorf("%s must not import %s", name, ours)
				}
				continue
			}
			if from := moduleOf(path); from != "" && !slices.Contains(importers[from], name) {
				t.Errorf("%s must not import %s", name, path)
			}
		}
	}
}

// kit are the packages that users import only in tests.
var kit = []string{"discovery/issuertest", "rs/rstest", "client/logintest"}

// TestKit: no package of a production program links the test kit, and the kit links no
// package that changes a program's flags.
func TestKit(t *testing.T) {
	for _, p := range packages(t) {
		name := strings.TrimPrefix(p.ImportPath, module+"/")
		isKit, isInternal := slices.Contains(kit, name), strings.HasPrefix(name, "internal/")
		for _, path := range deps(t, p.ImportPath) {
			ours, _ := strings.CutPrefix(path, module+"/")
			switch {
			case !isKit && !isInternal && slices.Contains(kit, ours):
				t.Errorf("%s links %s", name, ours)
			case isKit && (path == "testing" || path == "flag" || path == "net/http/httptest"):
				t.Errorf("%s links %s", name, path)
			}
		}
	}
}

func deps(t *testing.T, path string) []string {
	out, err := exec.Command("go", "list", "-deps", path).Output()
	if err != nil {
		t.Fatal(err)
	}
	return strings.Fields(string(out))
}

// moduleOf returns the module of an import that is not in the standard library.
func moduleOf(path string) string {
	for m := range importers {
		if path == m || strings.HasPrefix(path, m+"/") {
			return m
		}
	}
	if first, _, _ := strings.Cut(path, "/"); strings.Contains(first, ".") {
		return path
	}
	return ""
}

// TestRequirements: go.mod has the direct requirements of importers, and no others.
func TestRequirements(t *testing.T) {
	raw, err := os.ReadFile("../go.mod")
	if err != nil {
		t.Fatal(err)
	}
	direct := 0
	for _, line := range regexp.MustCompile(`(?m)^\t(\S+) v\S+$`).FindAllStringSubmatch(string(raw), -1) {
		direct++
		if _, ok := importers[line[1]]; !ok {
			t.Errorf("%s is a requirement that nobody agreed on", line[1])
		}
	}
	if direct != len(importers) {
		t.Errorf("%d direct requirements, want %d", direct, len(importers))
	}
}

// TestTree: the files and directories that are allowed at the top.
func TestTree(t *testing.T) {
	allowed := []string{"client", "rs", "pkce", "par", "idtoken", "discovery", "examples", "go.mod", "go.sum", "README.md",
		"internal", "docs", "redisstore", "sqlstore", "mcpauth", "cmd", "LICENSE", "Makefile",
		"CHANGELOG.md", "COMPATIBILITY.md", "CONTRIBUTING.md", "SECURITY.md"}
	entries, err := filepath.Glob("../*")
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		name := filepath.Base(e)
		if !slices.Contains(allowed, name) && !strings.HasPrefix(name, ".") {
			t.Errorf("%s does not belong at the top", name)
		}
	}
}

// TestIntrospectionAlone: an API that introspects tokens, with a client's authentication,
// links neither the login client nor what that needs.
func TestIntrospectionAlone(t *testing.T) {
	out, err := exec.Command("go", "list", "-deps", module+"/rs", module+"/client/auth").Output()
	if err != nil {
		t.Fatal(err)
	}
	linked := strings.Fields(string(out))
	for _, never := range []string{module + "/client", module + "/idtoken", module + "/par", "golang.org/x/oauth2", "github.com/coreos/go-oidc/v3/oidc"} {
		if slices.Contains(linked, never) {
			t.Errorf("a program with rs and client/auth links %s", never)
		}
	}
	for _, needed := range []string{module + "/rs", module + "/client/auth", module + "/internal/endpoint"} {
		if !slices.Contains(linked, needed) {
			t.Errorf("the list lacks %s", needed)
		}
	}
}

// TestArchitecture: the levels of docs/architecture.md match the import graph.
func TestArchitecture(t *testing.T) {
	page, err := os.ReadFile("../docs/architecture.md")
	if err != nil {
		t.Fatal(err)
	}
	level := map[string]string{}
	for _, row := range regexp.MustCompile(`(?m)^\| (\d) \| (.*?) \|`).FindAllStringSubmatch(string(page), -1) {
		for _, name := range regexp.MustCompile("`(.*?)`").FindAllStringSubmatch(row[2], -1) {
			level[name[1]] = row[1]
		}
	}
	if len(level) < 15 {
		t.Fatalf("the page has %d packages", len(level))
	}
	for name, imports := range graph {
		for _, lower := range imports {
			if level[name] != "" && level[lower] != "" && level[lower] >= level[name] {
				t.Errorf("%s, on level %s, imports %s, on level %s", name, level[name], lower, level[lower])
			}
		}
	}
}
