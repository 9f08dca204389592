//go:build !linux

package pgtest

import (
	"os"
	"os/exec"
)

func isolate(*exec.Cmd) {}

func killFamily(p *os.Process) { p.Kill() }
