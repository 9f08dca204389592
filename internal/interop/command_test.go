package interop

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// command builds cmd/countersign, and gives a function that runs it.
func command(t *testing.T) func(args ...string) (out string, status int) {
	t.Helper()
	program := filepath.Join(t.TempDir(), "countersign")
	build := exec.Command("go", "build", "-o", program, ".")
	build.Dir = "../../cmd/countersign"
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	store := t.TempDir()
	return func(args ...string) (string, int) {
		if args[0] != "doctor" {
			args = append(args, "-secret-env", "INTEROP_SECRET", "-store", store)
		}
		c := exec.CommandContext(t.Context(), program, args...)
		c.Env = append(os.Environ(), "INTEROP_SECRET="+secret)
		out, err := c.CombinedOutput()
		if c.ProcessState == nil {
			t.Fatal(err)
		}
		if strings.Contains(string(out), secret) {
			t.Errorf("%q prints the secret", args)
		}
		return string(out), c.ProcessState.ExitCode()
	}
}

// TestCommand: the doctor finds no problem at a server that works, and the flows of the
// command that need no person work.
func TestCommand(t *testing.T) {
	run := command(t)
	eachServer(t, func(t *testing.T, s *server) {
		out, status := run("doctor", s.issuer, "-json")
		var report struct {
			Findings []struct{ Level, Topic, Text string }
		}
		if err := json.Unmarshal([]byte(out), &report); err != nil || status != 0 {
			t.Errorf("doctor: status %d, %v\n%s", status, err, out)
		}
		client := []string{"-issuer", s.issuer, "-client-id", "daemon", "-name", s.name}
		for _, flow := range [][]string{{"credentials", "-scope", "photos.read", "-auth", "client_secret_basic"}, {"revoke", "-auth", "client_secret_basic"}} {
			if out, status := run(append(flow, client...)...); status != 0 {
				t.Errorf("%s: status %d\n%s", flow[0], status, out)
			}
		}
	})
}
