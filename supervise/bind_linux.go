package supervise

import (
	"os/exec"
	"syscall"
)

// bind has the system end cmd with this thread, also where cmd has no chance to
// see that its parent is gone.
func bind(cmd *exec.Cmd) { cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL} }
