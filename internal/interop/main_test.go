package interop

import (
	"fmt"
	"os"
	"testing"
)

// TestMain holds docs/interop.md against the results, when every test has passed.
func TestMain(m *testing.M) {
	if os.Getenv(machineVariable) != "" { // another process of a test
		if err := serveMachine(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	status := m.Run()
	if status == 0 {
		if err := holdTable(); err != nil {
			fmt.Fprintln(os.Stderr, "interop:", err)
			status = 1
		}
	}
	os.Exit(status)
}
