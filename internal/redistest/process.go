package redistest

import (
	"os/exec"
	"runtime"
	"testing"
)

// process is a child that ends with this program, however that ends.
type process struct {
	cmd  *exec.Cmd
	done chan struct{}
}

// start starts the child from a thread that lives as long as the child: the kernel ends
// the child when that thread is gone.
func start(t testing.TB, name string, args ...string) *process {
	t.Helper()
	p := &process{cmd: exec.Command(name, args...), done: make(chan struct{})}
	endWithParent(p.cmd)
	started := make(chan error)
	go func() {
		runtime.LockOSThread()
		defer close(p.done)
		err := p.cmd.Start()
		started <- err
		if err == nil {
			p.cmd.Wait()
		}
	}()
	if err := <-started; err != nil {
		t.Fatal(err)
	}
	return p
}

func (p *process) kill() {
	p.cmd.Process.Kill()
	<-p.done
}
