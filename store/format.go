package store

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"syscall"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// Format is the number of the layout that this build writes.
const Format = 1

const (
	formatPrefix = "ipvm store format "
	noFormat     = -1
)

// readFormat reads the format number, or noFormat where there is no store yet.
func readFormat(fs vfs.FS, dir string) (int, error) {
	data, err := readSmall(fs, fs.PathJoin(dir, "format"))
	if errors.Is(err, os.ErrNotExist) {
		if _, err := fs.Stat(fs.PathJoin(dir, "db")); err == nil {
			return 0, &FormatError{Dir: dir, Found: -1, Supported: Format}
		}
		return noFormat, nil
	}
	if err != nil {
		return 0, fmt.Errorf("read the format number: %w", err)
	}
	text := strings.TrimSpace(string(data))
	n, err := strconv.Atoi(strings.TrimPrefix(text, formatPrefix))
	if err != nil || n < 0 || !strings.HasPrefix(text, formatPrefix) {
		return 0, &FormatError{Dir: dir, Found: -1, Supported: Format, Text: text}
	}
	if n > Format {
		return 0, &FormatError{Dir: dir, Found: n, Supported: Format}
	}
	return n, nil
}

// writeFormat replaces the format number, durably.
func writeFormat(fs vfs.FS, dir string, n int) error {
	temp := fs.PathJoin(dir, "format.tmp")
	if err := writeFile(fs, temp, fmt.Appendf(nil, "%s%d\n", formatPrefix, n), true); err != nil {
		return fmt.Errorf("write the format number: %w", err)
	}
	if err := fs.Rename(temp, fs.PathJoin(dir, "format")); err != nil {
		return fmt.Errorf("write the format number: %w", err)
	}
	return syncDir(fs, dir)
}

// takeLock makes this process the only one with the store open and leaves its
// pid for the others to name.
func takeLock(fs vfs.FS, dir string) (io.Closer, error) {
	lock, err := fs.Lock(fs.PathJoin(dir, "LOCK"))
	if err != nil {
		if !lockedByOther(err) {
			return nil, explain(dir, fmt.Errorf("lock: %w", err))
		}
		data, _ := readSmall(fs, fs.PathJoin(dir, "pid")) // absent for a moment
		pid, _ := strconv.Atoi(strings.TrimSpace(string(data)))
		return nil, &ErrLocked{Dir: dir, PID: pid}
	}
	if err := writeFile(fs, fs.PathJoin(dir, "pid"), fmt.Appendf(nil, "%d\n", os.Getpid()), false); err != nil {
		return nil, errors.Join(explain(dir, fmt.Errorf("lock: %w", err)), lock.Close())
	}
	return lock, nil
}

// lockedByOther tells a lock that somebody holds from a file system that would
// not let us try. Pebble reports a lock of our own process in words only.
func lockedByOther(err error) bool {
	return errors.Is(err, syscall.EAGAIN) || errors.Is(err, syscall.EACCES) && !isPath(err) ||
		strings.Contains(err.Error(), "lock held by current process")
}

// isPath tells whether opening the lock file failed, rather than locking it.
func isPath(err error) bool {
	var p *os.PathError
	return errors.As(err, &p)
}

// makeDir creates a directory that only this user can enter, and its entry in
// the parent directory durably.
func makeDir(fs vfs.FS, dir string) error {
	if _, err := fs.Stat(dir); err == nil {
		return nil
	}
	if err := fs.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("create the directory: %w", err)
	}
	return syncDir(fs, fs.PathDir(dir))
}

func syncDir(fs vfs.FS, dir string) error {
	d, err := fs.OpenDir(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

func writeFile(fs vfs.FS, name string, data []byte, sync bool) error {
	f, err := fs.Create(name, vfs.WriteCategoryUnspecified)
	if err != nil {
		return err
	}
	// Write may change what it is given.
	if _, err = f.Write(append([]byte(nil), data...)); err == nil && sync {
		err = f.Sync()
	}
	return errors.Join(err, f.Close())
}

// readSmall reads at most 256 bytes of a file.
func readSmall(fs vfs.FS, name string) ([]byte, error) {
	f, err := fs.Open(name)
	if err != nil {
		return nil, err
	}
	data, err := io.ReadAll(io.LimitReader(f, 256))
	return data, errors.Join(err, f.Close())
}
