//go:build unix && cgo

package crashtest

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/ipvm-wg/go-ipvm/rpc"
)

// root is the folder of the module.
var root, _ = filepath.Abs("../..")

// built are the programs: as everyone has it, and with fault points.
var built = struct {
	once          sync.Once
	dir           string
	plain, faulty string
	err           error
}{}

func TestMain(m *testing.M) {
	if holdLock() {
		return
	}
	code := m.Run()
	closeReference()
	if built.dir != "" {
		_ = os.RemoveAll(built.dir)
	}
	os.Exit(code)
}

// programs builds the programs once for all tests.
func programs(t *testing.T) (plain, faulty string) {
	t.Helper()
	built.once.Do(func() {
		if built.dir, built.err = os.MkdirTemp("", "ipvm-crashtest-"); built.err != nil {
			return
		}
		built.plain, built.faulty = filepath.Join(built.dir, "ipvm"), filepath.Join(built.dir, "ipvm-faults")
		built.err = errors.Join(build(built.plain), build(built.faulty, "-tags", "faults"))
	})
	if built.err != nil {
		t.Fatal(built.err)
	}
	return built.plain, built.faulty
}

func build(out string, flags ...string) error {
	cmd := exec.Command("go", slices.Concat([]string{"build", "-o", out}, flags, []string{"./cmd/ipvm"})...)
	cmd.Dir = root
	if text, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%v: %w\n%s", cmd.Args, err, text)
	}
	return nil
}

// patience bounds every wait in these tests; other work may load the machine.
const patience = 3 * time.Minute

// process is the program while it runs, and who watches its standard output.
type process struct {
	cmd    *exec.Cmd
	stdin  io.WriteCloser
	stderr said
	lines  chan string // of standard output, each whole
	out    []string    // the same, when it has ended
	read   chan struct{}
}

// said is what a process has written so far.
type said struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (s *said) Write(data []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.Write(data)
}

func (s *said) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.String()
}

// start runs program with the state directory home.
func start(t *testing.T, program, home, faults string, args ...string) *process {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), amount(patience, time.Hour))
	t.Cleanup(cancel)
	p := &process{cmd: exec.CommandContext(ctx, program, args...), lines: make(chan string, 1<<13), read: make(chan struct{})}
	// Time limits are not what is tested here.
	p.cmd.Env = append(os.Environ(), "IPVM_HOME="+home, "IPVM_FAULT="+faults, "IPVM_TIME=10m", "XDG_CONFIG_HOME="+home)
	p.cmd.Dir = filepath.Dir(home)
	p.cmd.Stderr = &p.stderr
	out, err := p.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if p.stdin, err = p.cmd.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go p.watch(out)
	return p
}

// watch keeps the lines that are whole: a process that is killed may leave
// part of one.
func (p *process) watch(out io.Reader) {
	defer close(p.read)
	defer close(p.lines)
	for r := bufio.NewReader(out); ; {
		line, err := r.ReadString('\n')
		if err != nil {
			return
		}
		p.out = append(p.out, line[:len(line)-1])
		p.lines <- line[:len(line)-1]
	}
}

// kill ends the process as a power cut would.
func (p *process) kill() { _ = p.cmd.Process.Kill() }

// wait returns the exit status, or −1 if the process was killed.
func (p *process) wait(t *testing.T) int {
	t.Helper()
	<-p.read
	err := p.cmd.Wait()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	if status := p.cmd.ProcessState.Sys().(syscall.WaitStatus); status.Signaled() && status.Signal() != syscall.SIGKILL {
		t.Errorf("%v: %v\n%s", p.cmd.Args, err, &p.stderr)
	}
	return p.cmd.ProcessState.ExitCode()
}

// succeed waits for the process to end well.
func (p *process) succeed(t *testing.T) {
	t.Helper()
	if code := p.wait(t); code != 0 {
		t.Fatalf("%v: exit status %d\n%s%s", p.cmd.Args, code, strings.Join(p.out, "\n"), &p.stderr)
	}
}

// idle starts an owner of the state directory that waits for a document on its
// standard input, and returns when it serves others.
func idle(t *testing.T, program, home, faults string) *process {
	t.Helper()
	p := start(t, program, home, faults, "run", "-")
	await(t, "the owner to serve", func() bool {
		c, err := rpc.Dial(context.Background(), home)
		if err != nil {
			return false
		}
		return c.Close() == nil
	})
	return p
}

// await waits until ready.
func await(t *testing.T, what string, ready func() bool) {
	t.Helper()
	for end := time.Now().Add(patience); !ready(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("waited %v for %s", patience, what)
		}
	}
}
