package pgtest

import (
	"os"
	"os/exec"
	"syscall"
)

// isolate makes a child end with this program. PostgreSQL does not run as root, so root
// runs it in a user namespace where it has another number.
func isolate(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if os.Geteuid() != 0 {
		return
	}
	const number = 1000
	cmd.SysProcAttr.Cloneflags = syscall.CLONE_NEWUSER
	cmd.SysProcAttr.UidMappings = []syscall.SysProcIDMap{{ContainerID: number, HostID: 0, Size: 1}}
	cmd.SysProcAttr.GidMappings = []syscall.SysProcIDMap{{ContainerID: number, HostID: 0, Size: 1}}
}
