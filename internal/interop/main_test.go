package interop

import (
	"fmt"
	"os"
	"testing"
)

// TestMain compares docs/interop.md with the results after all tests have passed.
func TestMain(m *testing.M) {
	if os.Getenv(machineVariable) != "" { // this is another process of a test
		if err := serveMachine(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	status := m.Run()
	if commandDir != "" {
		os.RemoveAll(commandDir)
	}
	if status == 0 {
		if err := holdTable(); err != nil {
			fmt.Fprintln(os.Stderr, "interop:", err)
			status = 1
		}
	}
	os.Exit(status)
}
