package ipvm

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/ipvm-wg/go-ipvm/internal/fault"
	"github.com/ipvm-wg/go-ipvm/rpc"
	"github.com/ipvm-wg/go-ipvm/store"
)

// Backup copies the state directory to dir, which must not be there, while the node
// works on. The copy is a state directory that has everything that was acknowledged
// before. It appears under its name when it is whole.
func (o *owner) Backup(ctx context.Context, dir string, withKey bool) (err error) {
	if !filepath.IsAbs(dir) {
		return fmt.Errorf("backup: %s is not a whole path", dir)
	}
	if within, err := filepath.Rel(o.rooms.dir, dir); err == nil && within != ".." && !strings.HasPrefix(within, ".."+string(filepath.Separator)) {
		return fmt.Errorf("backup: %s is in the state directory itself", dir)
	}
	if _, err := os.Lstat(dir); !errors.Is(err, fs.ErrNotExist) {
		return errors.Join(err, fmt.Errorf("backup: %s: %w", dir, fs.ErrExist))
	}
	parent := filepath.Dir(dir)
	part, err := os.MkdirTemp(parent, "."+filepath.Base(dir)+".partial-")
	if err != nil {
		return fmt.Errorf("backup: %w", err)
	}
	if err = o.copyTo(ctx, part, withKey); err == nil {
		fault.Point("node.backup")
		err = os.Rename(part, dir)
	}
	if err != nil {
		return fmt.Errorf("backup: %w", errors.Join(err, os.RemoveAll(part)))
	}
	return syncFolder(parent)
}

func (o *owner) copyTo(ctx context.Context, part string, withKey bool) error {
	if err := o.store.Backup(ctx, filepath.Join(part, StoreDir)); err != nil {
		return err
	}
	err := o.rooms.each(func(name string, v *store.Vault, err error) error {
		if err != nil {
			return fmt.Errorf("%w\n  hint: move it out of %s to have a copy without it", err, o.rooms.dir)
		}
		to := filepath.Join(part, name)
		if err := os.MkdirAll(filepath.Dir(to), 0o700); err != nil {
			return err
		}
		if err := v.Backup(ctx, to); err != nil {
			return err
		}
		return syncFolder(filepath.Dir(to))
	})
	if err == nil && withKey {
		err = copyKey(filepath.Join(o.rooms.dir, KeyFile), filepath.Join(part, KeyFile))
	}
	return errors.Join(err, syncFolder(part))
}

func copyKey(from, to string) error {
	data, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	f, err := os.OpenFile(to, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	return errors.Join(err, f.Sync(), f.Close())
}

func syncFolder(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// Backup has the owner copy its state directory.
func (s steady) Backup(ctx context.Context, dir string, withKey bool) error {
	return s.tell(ctx, func(b rpc.Backend) error { return b.Backup(ctx, dir, withKey) })
}
