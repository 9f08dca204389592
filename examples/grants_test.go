package examples

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/countersign/countersign/examples/internal/demo"
)

// build makes a program.
func build(t *testing.T, name string) string {
	t.Helper()
	program := filepath.Join(t.TempDir(), name)
	if out, err := exec.Command("go", "build", "-o", program, "./"+name).CombinedOutput(); err != nil {
		t.Fatalf("building %s: %v\n%s", name, err, out)
	}
	return program
}

// TestDaemon: the API sees the daemon's client ID at each call.
func TestDaemon(t *testing.T) {
	cmd := exec.Command(build(t, "daemon"))
	cmd.Env, cmd.Stderr = append(os.Environ(), "ISSUER=", "TIMES=2", "EVERY=1ms"), t.Output()
	out, err := cmd.Output()
	want := strings.Repeat("200 OK: the photos of night-shift, requested by night-shift\n", 2)
	if err != nil || string(out) != want {
		t.Errorf("%v: %s", err, out)
	}
}

// TestOnBehalf: the printer sees alice and the album, and rejects the phone's token.
func TestOnBehalf(t *testing.T) {
	cmd := exec.Command(build(t, "onbehalf"))
	cmd.Stderr = t.Output()
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	for _, want := range []string{
		"the printer prints the photos of " + demo.Alice.Subject + ", requested by photo-album", "the printer rejects the phone's token: 401",
	} {
		if !strings.Contains(string(out), want) {
			t.Errorf("it does not say %q:\n%s", want, out)
		}
	}
}
