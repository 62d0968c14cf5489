//go:build linux || darwin || freebsd || netbsd || openbsd || dragonfly

package supervise

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"
)

// roleVariable makes the test binary a parent or a child, as its value says.
const roleVariable = "SUPERVISE_TEST_ROLE"

func TestMain(m *testing.M) {
	switch role := os.Getenv(roleVariable); {
	case role == "":
		os.Exit(m.Run())
	case os.Getenv(Variable) != "":
		child(role)
	default:
		parent(role)
	}
}

// parent supervises, tells of deaths, and ends as its child does.
func parent(role string) {
	var files []*os.File
	if role == "listen" {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		exitOn(err)
		f, err := l.(*net.TCPListener).File()
		exitOn(err)
		exitOn(l.Close())
		files = append(files, f)
	}
	ctx, cancel := context.WithCancel(context.Background())
	if role == "stop" {
		go func() {
			_, _ = io.Copy(io.Discard, os.Stdin)
			cancel()
		}()
	}
	status, err := Run(ctx, Config{
		Path: os.Args[0], Args: os.Args, Files: files, Most: 3,
		Died: func(d Death) { fmt.Println("died", d.Count, d.How) },
	})
	var many *TooManyError
	if errors.As(err, &many) {
		fmt.Println("too many:", many.Last.Count)
		os.Exit(0)
	}
	exitOn(err)
	os.Exit(status)
}

func exitOn(err error) {
	if err != nil {
		fmt.Println(err)
		os.Exit(100)
	}
}

func child(role string) {
	n := 0
	if role == "listen" {
		n = 1
	}
	c, err := Inherit(n)
	exitOn(err)
	fmt.Println("child", os.Getpid())
	switch role {
	case "crash":
		os.Exit(2)
	case "abort":
		_ = syscall.Kill(os.Getpid(), syscall.SIGABRT)
	case "end":
		exitOn(c.Done())
		os.Exit(7)
	case "listen":
		l, err := net.FileListener(c.Files[0])
		exitOn(err)
		fmt.Println("at", l.Addr())
		conn, err := l.Accept()
		exitOn(err)
		text, err := bufio.NewReader(conn).ReadString('\n')
		exitOn(err)
		if text == "die\n" {
			os.Exit(1)
		}
		fmt.Fprint(conn, "answer\n")
		exitOn(c.Done())
		os.Exit(0)
	}
	time.Sleep(20 * time.Second)
	fmt.Println("nobody has ended this")
}

// run is a parent in the given role, and the lines it and its children write.
func run(t *testing.T, role string) (*exec.Cmd, *bufio.Scanner, io.WriteCloser) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	t.Cleanup(cancel)
	cmd := exec.CommandContext(ctx, os.Args[0])
	cmd.Env = append(os.Environ(), roleVariable+"="+role, "GOTRACEBACK=none")
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	return cmd, bufio.NewScanner(out), in
}

// rest are the lines that are left, without those of which child begins.
func rest(s *bufio.Scanner) (lines []string) {
	for s.Scan() {
		if !strings.HasPrefix(s.Text(), "child ") {
			lines = append(lines, s.Text())
		}
	}
	return lines
}

func line(t *testing.T, s *bufio.Scanner, begin string) (after string) {
	t.Helper()
	for s.Scan() {
		if after, ok := strings.CutPrefix(s.Text(), begin); ok {
			return after
		}
	}
	t.Fatalf("no line begins with %q", begin)
	return ""
}

func TestDeaths(t *testing.T) {
	t.Parallel()
	for role, want := range map[string]string{
		"crash": "died 1 exit status 2\ndied 2 exit status 2\ntoo many: 3",
		"abort": "died 1 exit status 2\ndied 2 exit status 2\ntoo many: 3", // Go makes that of it
		"end":   "",
	} {
		t.Run(role, func(t *testing.T) {
			t.Parallel()
			cmd, out, _ := run(t, role)
			if got := strings.Join(rest(out), "\n"); got != want {
				t.Errorf("got\n%s\nwant\n%s", got, want)
			}
			_ = cmd.Wait()
			if status := cmd.ProcessState.ExitCode(); (role == "end") != (status == 7) {
				t.Errorf("exit status %d", status)
			}
		})
	}
}

// TestNoOrphans kills a parent. Its child ends.
func TestNoOrphans(t *testing.T) {
	t.Parallel()
	cmd, out, _ := run(t, "wait")
	line(t, out, "child ")
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	if left := rest(out); len(left) > 0 { // ends when nobody has the other end any more
		t.Error(left)
	}
	_ = cmd.Wait()
}

// TestStop ends a parent in order. So ends its child, which is not started again.
func TestStop(t *testing.T) {
	t.Parallel()
	cmd, out, in := run(t, "stop")
	line(t, out, "child ")
	if err := in.Close(); err != nil {
		t.Fatal(err)
	}
	if left := rest(out); len(left) > 0 {
		t.Error(left)
	}
	_ = cmd.Wait()
}

// TestQueue connects while there is no child. The next one answers, at the same
// address.
func TestQueue(t *testing.T) {
	t.Parallel()
	cmd, out, _ := run(t, "listen")
	addr := line(t, out, "at ")
	var first, second net.Conn
	for _, c := range []*net.Conn{&first, &second} {
		var err error
		if *c, err = net.Dial("tcp", addr); err != nil {
			t.Fatal(err)
		}
		defer (*c).Close()
	}
	fmt.Fprint(second, "hello\n")
	fmt.Fprint(first, "die\n")
	if text, err := bufio.NewReader(second).ReadString('\n'); text != "answer\n" {
		t.Errorf("got %q: %v", text, err)
	}
	rest(out)
	if err := cmd.Wait(); err != nil {
		t.Error(err)
	}
}

func TestPause(t *testing.T) {
	t.Parallel()
	for deaths, want := range map[int]time.Duration{1: 0, 4: 0, 5: 250 * time.Millisecond, 6: 500 * time.Millisecond, 9: 4 * time.Second, 100: 8 * time.Second} {
		if got := pause(deaths); got != want {
			t.Errorf("after %d deaths %v, want %v", deaths, got, want)
		}
	}
}

func TestInheritIsForChildren(t *testing.T) {
	if c, err := Inherit(0); c != nil || err != nil {
		t.Errorf("%v, %v", c, err)
	}
	t.Setenv(Variable, "1")
	if os.Getppid() == 1 {
		t.Setenv(Variable, "2")
	}
	if _, err := Inherit(0); err == nil {
		t.Error("the child of another process took over")
	}
}

func TestHold(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	held := func() bool {
		h, err := Held(dir)
		if err != nil {
			t.Error(err)
		}
		return h
	}
	if held() {
		t.Error("held from the outset")
	}
	f, err := Hold(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	if !held() {
		t.Error("not held")
	}
	if _, err := Hold(t.Context(), dir); !errors.Is(err, ErrHeld) {
		t.Error("held twice:", err)
	}
	time.AfterFunc(50*time.Millisecond, func() { f.Close() })
	again, err := Hold(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	if err := again.Close(); err != nil {
		t.Error(err)
	}
	for end := time.Now().Add(20 * time.Second); held(); time.Sleep(time.Millisecond) { // a child that another test starts may have it until it is another program
		if time.Now().After(end) {
			t.Fatal("still held")
		}
	}
}
