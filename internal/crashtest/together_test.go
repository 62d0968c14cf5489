//go:build unix && cgo

package crashtest

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/ipvm-wg/go-ipvm/task"
)

// TestTogether starts processes on one state directory at once, with the same
// workflow and with different ones that have much in common. All succeed, and
// each task runs once.
func TestTogether(t *testing.T) {
	t.Parallel()
	for _, n := range []int{2, 8, 20} {
		for _, same := range []bool{true, false} {
			t.Run(fmt.Sprintf("%d,same=%t", n, same), func(t *testing.T) { together(t, n, same) })
		}
	}
}

func together(t *testing.T, n int, same bool) {
	t.Helper()
	if testing.Short() && n > 8 {
		t.Skip("many processes")
	}
	rng := random(t)
	plain, _ := programs(t)
	home := newHome(t)
	common := mixed(rng, true)
	paths := make([]string, n)
	tasks := make(map[task.ID]bool)
	for i := range paths {
		if i == 0 || !same {
			if i > 0 {
				common.fan(fmt.Sprintf("own-%d", i), rng, 4)
			}
			paths[i] = common.write(t)
		} else {
			paths[i] = paths[0]
		}
		for _, job := range expected(t, paths[i]).Jobs {
			tasks[job.Task] = true
		}
	}
	processes := make([]*process, n)
	for i := range processes {
		processes[i] = start(t, plain, home, "", "run", "--json", paths[i])
	}
	ran := 0
	for i, p := range processes {
		p.succeed(t)
		acknowledged(t, p, expected(t, paths[i]), true)
		ran += printed(t, p).Totals.Ran
	}
	if ran != len(tasks) {
		t.Errorf("%d runs of %d tasks", ran, len(tasks))
	}
}

// simple is a small document and its file.
func simple(t *testing.T) string {
	t.Helper()
	d := newDocument()
	d.chain("chain", random(t), 3)
	return d.write(t)
}

// TestStaleSocket runs where a killed owner has left its socket.
func TestStaleSocket(t *testing.T) {
	t.Parallel()
	plain, _ := programs(t)
	home := newHome(t)
	owner := idle(t, plain, home, "")
	owner.kill()
	owner.wait(t)
	if _, err := os.Lstat(filepath.Join(home, "node.sock")); err != nil {
		t.Fatal(err)
	}
	start(t, plain, home, "", "run", simple(t)).succeed(t)
}

// TestLongDirectory has a state directory whose socket has a path too long for
// the system, used by two.
func TestLongDirectory(t *testing.T) {
	t.Parallel()
	plain, _ := programs(t)
	home := filepath.Join(t.TempDir(), strings.Repeat("long/", 40), "state")
	if err := os.MkdirAll(filepath.Dir(home), 0o700); err != nil {
		t.Fatal(err)
	}
	owner := idle(t, plain, home, "")
	path := simple(t)
	start(t, plain, home, "", "run", path).succeed(t)
	give(t, owner, path)
	owner.succeed(t)
	if last := owner.out[len(owner.out)-1]; !strings.Contains(last, "nothing had to run") {
		t.Errorf("the owner does not remember what it did for its guest: %s", last)
	}
}

// TestReadOnlyDirectory has a state directory that can not be written: one in use
// before, an empty one, and one that is not there. Whatever needs it says what to do.
func TestReadOnlyDirectory(t *testing.T) {
	t.Parallel()
	plain, _ := programs(t)
	home, empty, parent := newHome(t), t.TempDir(), t.TempDir()
	path := simple(t)
	start(t, plain, home, "", "run", path).succeed(t)
	for _, dir := range []string{home, empty, parent} {
		lockDirectory(t, dir)
	}
	for _, dir := range []string{home, empty, filepath.Join(parent, "absent")} {
		for _, command := range [][]string{
			{"run", path}, {"ps"}, {"doctor"}, {"node", "--listen", "127.0.0.1:0"}, {"node", "--listen", "127.0.0.1:0", "--no-supervisor"},
		} {
			p := start(t, plain, dir, "", command...)
			code := p.wait(t)
			said := p.stderr.String()
			ok := strings.Contains(said, "read-only file system") && strings.HasSuffix(said, "\n  hint: make the disk of the state directory writable, or use another one (--dir)\n")
			if os.Getuid() != 0 { // who finds no permission instead
				ok = strings.Contains(said, "permission denied")
			}
			if code != 3 || !ok || strings.Count(said, "hint:") > 1 {
				t.Errorf("%s %v: exit status %d, and it says: %s", dir, command, code, said)
			}
		}
	}
}

// lockDirectory takes away the right to write in dir until the test ends: from
// root by a read-only mount, as nothing else does.
func lockDirectory(t *testing.T, dir string) {
	t.Helper()
	if os.Getuid() != 0 {
		var all []string
		if err := filepath.WalkDir(dir, func(path string, entry os.DirEntry, err error) error {
			all = append(all, path)
			return err
		}); err != nil {
			t.Fatal(err)
		}
		chmod := func(mode os.FileMode) {
			for _, path := range all {
				if info, err := os.Lstat(path); err == nil && info.Mode().Type() != os.ModeSocket {
					_ = os.Chmod(path, info.Mode().Perm()&0o500|mode)
				}
			}
		}
		chmod(0)
		t.Cleanup(func() { chmod(0o200) })
		return
	}
	bindReadOnly(t, dir)
}

// TestSilentHolder has the store held by a process that does not answer.
func TestSilentHolder(t *testing.T) {
	t.Parallel()
	plain, _ := programs(t)
	home := newHome(t)
	pid, release := hold(t, home)
	refused(t, plain, home, pid)
	release()
	start(t, plain, home, "", "run", simple(t)).succeed(t)
}

// TestStoppedOwner has an owner that has stopped to answer although it listens.
func TestStoppedOwner(t *testing.T) {
	t.Parallel()
	plain, _ := programs(t)
	home := newHome(t)
	owner := idle(t, plain, home, "")
	if err := owner.cmd.Process.Signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	refused(t, plain, home, owner.cmd.Process.Pid)
	if err := owner.cmd.Process.Signal(syscall.SIGCONT); err != nil {
		t.Fatal(err)
	}
	path := simple(t)
	start(t, plain, home, "", "run", path).succeed(t)
	give(t, owner, path)
	owner.succeed(t)
}

// refused wants a run to give up after some seconds and to name the process
// that is in its way.
func refused(t *testing.T, program, home string, pid int) {
	t.Helper()
	began := time.Now()
	p := start(t, program, home, "", "run", simple(t))
	code, took := p.wait(t), time.Since(began)
	if code != 3 || !bytes.Contains([]byte(p.stderr.String()), fmt.Appendf(nil, "in use by process %d,", pid)) {
		t.Errorf("exit status %d, and it says: %s", code, &p.stderr)
	}
	// It waits for 5 s; the rest is for a machine under load.
	if took < 4*time.Second || took > 20*time.Second {
		t.Errorf("it gave up after %v", took)
	}
}
