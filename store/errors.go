package store

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"syscall"

	"github.com/cockroachdb/pebble/v2"

	"github.com/ipvm-wg/go-ipvm/ipld"
)

// Errors that callers branch on.
var (
	// ErrNotFound reports that the store does not have what was asked for.
	ErrNotFound = errors.New("not in the store")
	// ErrClosed reports use of a store after Close.
	ErrClosed = errors.New("store is closed")
	// ErrDiskFull reports that the disk has no room. What was acknowledged
	// before stays readable.
	ErrDiskFull = errors.New("disk full")
	// ErrReadOnly reports that the file system takes no writes.
	ErrReadOnly = errors.New("read-only file system")
	// ErrQuota reports a store that holds as much as it may.
	ErrQuota = errors.New("the store of this node is at its quota")
	// ErrEvidenceFull reports that a Task ID has receipts of as many foreign
	// signers as the store keeps, so that another one is refused.
	ErrEvidenceFull = errors.New("too many signers for one task")
)

// ErrLocked reports that another process has the store open.
type ErrLocked struct {
	Dir string
	PID int // 0 when it is not known yet
}

func (e *ErrLocked) Error() string {
	if e.PID == 0 {
		return fmt.Sprintf("store %s is in use by another process", e.Dir)
	}
	return fmt.Sprintf("store %s is in use by process %d", e.Dir, e.PID)
}

// FormatError reports a store whose layout this build can not read.
type FormatError struct {
	Dir       string
	Found     int    // the format number of the store; −1 when it is unreadable
	Supported int    // the newest that this build knows
	Text      string // what the format file holds, when it is unreadable
}

func (e *FormatError) Error() string {
	if e.Found < 0 {
		return fmt.Sprintf("store %s: its format file holds %q, not a format number", e.Dir, e.Text)
	}
	return fmt.Sprintf("store %s has format %d, and this ipvm knows formats up to %d: use an ipvm that knows format %d (a newer release)", e.Dir, e.Found, e.Supported, e.Found)
}

// CorruptError reports something in the store that is damaged or gone although
// the store knows of it. It is never answered with wrong bytes.
type CorruptError struct {
	Link ipld.Link // the block, or the zero Link for another record
	Path string    // the file or record at fault
	Err  error
	Hint string // what a person can do
}

func (e *CorruptError) Error() string {
	msg := fmt.Sprintf("corrupt store: %s: %v", e.Path, e.Err)
	if e.Hint != "" {
		msg += "\n  hint: " + e.Hint
	}
	return msg
}

func (e *CorruptError) Unwrap() error { return e.Err }

// BlockDamaged tells whether err is of one block that is damaged or gone, and not of the
// database.
func BlockDamaged(err error) bool {
	var corrupt *CorruptError
	return errors.As(err, &corrupt) && corrupt.Link.Defined() && (filepath.Base(corrupt.Path) != "db" || errors.Is(err, ipld.ErrMismatch))
}

// Damaged tells whether err is of a database that can not be read, or not all of it.
func Damaged(err error) bool { return pebble.IsCorruptionError(err) }

// MayPass tells whether err is of a disk that can be put in order while a program
// runs: one that is full, or read-only.
func MayPass(err error) bool { return errors.Is(err, ErrDiskFull) || errors.Is(err, ErrReadOnly) }

// explained is an error that names the store and says what to do.
type explained struct{ error }

func (e explained) Unwrap() error { return e.error }

// explain turns the errors of a file system into errors that say what to do.
func explain(dir string, err error) error {
	var done explained
	var format *FormatError
	var corrupt *CorruptError
	switch {
	case err == nil, errors.As(err, &done), errors.As(err, &format), errors.As(err, &corrupt):
		return err
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
		return explained{fmt.Errorf("store %s: %w: free some space, then open the store again (%w)", dir, ErrDiskFull, err)}
	case errors.Is(err, syscall.EROFS):
		return explained{fmt.Errorf("store %s is on a %w (%w)", dir, ErrReadOnly, err)}
	case errors.Is(err, fs.ErrPermission):
		return explained{fmt.Errorf("store %s can not be written by this user: %w", dir, err)}
	}
	return explained{fmt.Errorf("store %s: %w", dir, err)}
}
