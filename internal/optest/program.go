package optest

import (
	"bytes"
	"net"
	"os/exec"
	"testing"
	"time"
)

// StartProgram starts a server, waits until it listens at address, and waits for its end with the
// test. The context of cmd must end with the test.
func StartProgram(t testing.TB, address string, cmd *exec.Cmd) {
	t.Helper()
	var said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &said, &said
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() { cmd.Wait(); close(ended) }()
	t.Cleanup(func() { <-ended })
	for range 4800 { // two minutes
		if c, err := net.Dial("tcp", address); err == nil {
			c.Close()
			return
		}
		select {
		case <-ended:
			t.Fatalf("%s: %s", cmd, &said)
		case <-time.After(25 * time.Millisecond):
		}
	}
	t.Fatalf("%s does not listen", cmd)
}
