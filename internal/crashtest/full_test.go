//go:build unix && cgo

package crashtest

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// fill writes a file until the disk has no more than left bytes, in 64 KiB, and
// returns what frees the room again.
func fill(t *testing.T, name string, left int64) (free func()) {
	t.Helper()
	f, err := os.Create(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	chunk := make([]byte, 64<<10)
	var size int64
	for err == nil {
		var n int
		n, err = f.Write(chunk)
		size += int64(n)
	}
	if !errors.Is(err, syscall.ENOSPC) {
		t.Fatal(err)
	}
	if err := f.Truncate(max(size-left, 0)); err != nil {
		t.Fatal(err)
	}
	return func() {
		if err := os.Remove(name); err != nil {
			t.Fatal(err)
		}
	}
}

// reserve is what the store wants to be free, in bytes.
const reserve = 32 << 20

// TestDiskFull runs on a disk that is full at once, that fills while a
// workflow runs, and that has not even room for the log.
func TestDiskFull(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name string
		left int64 // when the run begins
	}{
		{"nothing left", 0},
		{"a little left", 1 << 20},
		{"less than the reserve", reserve / 2},
		{"full after some jobs", reserve + 6<<20},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			rng := random(t)
			plain, _ := programs(t)
			from := newHome(t)
			disk := t.TempDir()
			smallDisk(t, disk, "64m")
			s := &site{home: filepath.Join(disk, "state")}
			if err := os.CopyFS(s.home, os.DirFS(from)); err != nil {
				t.Fatal(err)
			}
			private(t, s.home)

			before := mixed(rng, true)
			beforePath := before.write(t)
			start(t, plain, s.home, "", "run", beforePath).succeed(t)

			free := fill(t, filepath.Join(disk, "filler"), test.left)
			doc := mixed(rng, false)
			for i := range 90 {
				doc.large(fmt.Sprintf("much-%d", i), rng, 1)
			}
			path := doc.write(t)
			want := expected(t, path)
			p := start(t, plain, s.home, "", "run", path)
			if code := p.wait(t); code != 3 || !strings.Contains(p.stderr.String(), "disk full") {
				t.Errorf("exit status %d, and it says: %s", code, &p.stderr)
			}
			acked := acknowledged(t, p, want, false)
			t.Logf("%d jobs acknowledged", len(acked))
			if test.left > reserve && len(acked) == 0 {
				t.Error("nothing was acknowledged before the disk was full: this proves little")
			}
			free()
			all := make(map[string]bool)
			for _, job := range expected(t, beforePath).Jobs {
				all[job.Label] = true
			}
			s.verify(t, crash{faults: test.name}, before, beforePath, expected(t, beforePath), all)
			s.verify(t, crash{faults: test.name}, doc, path, want, acked)
		})
	}
}

// private gives the files of a copy the modes that they had.
func private(t *testing.T, home string) {
	t.Helper()
	if err := filepath.WalkDir(home, func(path string, entry os.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return errors.Join(err, os.Chmod(path, 0o700))
		}
		return os.Chmod(path, 0o600)
	}); err != nil {
		t.Fatal(err)
	}
}

// TestFileSizeLimit runs where no file may grow, which every user can have.
func TestFileSizeLimit(t *testing.T) {
	t.Parallel()
	rng := random(t)
	plain, _ := programs(t)
	s := &site{home: newHome(t)}
	before := mixed(rng, true)
	beforePath := before.write(t)
	start(t, plain, s.home, "", "run", beforePath).succeed(t)

	doc := mixed(rng, true)
	path := doc.write(t)
	// Of 200 blocks (100 KiB) some workflows need more and some do not.
	for _, blocks := range []string{"0", "8", "200"} {
		cmd := exec.Command("sh", "-c", "ulimit -f "+blocks+"; exec \"$0\" run \"$1\"", plain, path)
		cmd.Env = append(os.Environ(), "IPVM_HOME="+s.home, "IPVM_TIME=10m")
		var said strings.Builder
		cmd.Stdout, cmd.Stderr = io.Discard, &said
		var exit *exec.ExitError
		err := cmd.Run()
		if err == nil && blocks == "200" {
			continue
		}
		if !errors.As(err, &exit) || exit.ExitCode() != 3 || !strings.Contains(said.String(), "file too large") {
			t.Errorf("with files of at most %s blocks: %v, and it says: %s", blocks, err, said.String())
		}
	}
	all := make(map[string]bool)
	for _, job := range expected(t, beforePath).Jobs {
		all[job.Label] = true
	}
	s.verify(t, crash{}, before, beforePath, expected(t, beforePath), all)
	s.verify(t, crash{}, doc, path, expected(t, path), nil)
}
