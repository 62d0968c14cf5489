//go:build cgo

package wasm

import (
	"fmt"
	"math"
	"os"
	"os/exec"
	"strconv"
	"syscall"
	"time"
)

// setApart gives cmd a process group of its own, which ends with our thread or
// with the context of cmd.
func setApart(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
}

// detach closes the files that the parent of this process happened to leave
// open to it. Ours are opened so that no child gets them, which tells the others
// from them. The end of the parent ends this process, as [setApart] said.
func detach() {
	files, _ := os.ReadDir("/proc/self/fd")
	for _, f := range files {
		fd, err := strconv.Atoi(f.Name())
		if err != nil || fd <= 2 {
			continue
		}
		flags, _, errno := syscall.Syscall(syscall.SYS_FCNTL, uintptr(fd), syscall.F_GETFD, 0)
		if errno == 0 && flags&syscall.FD_CLOEXEC == 0 {
			_ = syscall.Close(fd)
		}
	}
}

// boundCompiler bounds what this process may take from now on. Memory is what
// it can write to: reserved address space does not count.
func boundCompiler(memory uint64, cpu time.Duration) error {
	var pages [7]uint64
	f, err := os.Open("/proc/self/statm")
	if err == nil {
		_, err = fmt.Fscan(f, &pages[0], &pages[1], &pages[2], &pages[3], &pages[4], &pages[5], &pages[6])
		f.Close()
	}
	if err != nil {
		return fmt.Errorf("how much memory there is in use: %w", err)
	}
	have := pages[5] * uint64(os.Getpagesize())
	if memory > math.MaxInt64-have {
		memory = math.MaxInt64 - have
	}
	seconds := uint64(cpu/time.Second) + 1
	return lower(map[int]uint64{syscall.RLIMIT_DATA: have + memory, syscall.RLIMIT_CPU: seconds, syscall.RLIMIT_CORE: 0})
}

// lower lowers limits of this process, and leaves those that are lower.
func lower(limits map[int]uint64) error {
	for resource, most := range limits {
		var l syscall.Rlimit
		if err := syscall.Getrlimit(resource, &l); err != nil {
			return err
		}
		l.Cur, l.Max = min(l.Cur, most), min(l.Max, most)
		if err := syscall.Setrlimit(resource, &l); err != nil {
			return err
		}
	}
	return nil
}
