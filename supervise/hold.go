package supervise

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"
)

// lockName is the file in a folder that its supervisor has locked.
const lockName = "supervisor.lock"

// ErrHeld reports a folder that another supervisor holds.
var ErrHeld = errors.New("another supervisor is there")

// holdWait bounds how long a child of a supervisor that was killed may take to
// end.
const holdWait = time.Second

// Hold makes this process the one supervisor of what works on the folder dir. It
// is so until the file that is returned is closed, here and in each child that it
// was handed to, however that comes. The error wraps [ErrHeld].
func Hold(ctx context.Context, dir string) (*os.File, error) {
	f, err := os.OpenFile(filepath.Join(dir, lockName), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	for end := time.Now().Add(holdWait); ; {
		held, err := flock(f, true)
		switch {
		case err == nil && held:
			return f, nil
		case err == nil && time.Now().After(end):
			err = fmt.Errorf("%s: %w", dir, ErrHeld)
		case err == nil:
			select {
			case <-time.After(10 * time.Millisecond):
				continue
			case <-ctx.Done():
				err = context.Cause(ctx)
			}
		}
		return nil, errors.Join(err, f.Close())
	}
}

// Held tells whether a supervisor holds the folder dir. What works on dir comes
// back, then.
func Held(dir string) (bool, error) {
	f, err := os.Open(filepath.Join(dir, lockName))
	if errors.Is(err, os.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	defer f.Close()
	free, err := flock(f, false)
	return !free, err
}
