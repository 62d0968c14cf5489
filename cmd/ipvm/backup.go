package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/ipvm-wg/go-ipvm/store"
)

func newBackup(a *app) *cobra.Command {
	var noKey, asJSON bool
	cmd := &cobra.Command{
		Use:   "backup DIR",
		Short: "Copy the state directory, also while a node works on it",
		Long: `Copy the state directory to DIR, which must not be there yet. The copy is a state
directory: it has everything that was acknowledged before the backup began, and
'ipvm --dir DIR' uses it. It appears under its name when it is whole. Large files that never
change are linked where DIR is on the same file system, so keep a copy elsewhere too.

The copy holds the node's private key, without which what is remembered would not count
as its own: keep it as you keep the key. --no-key leaves that out. Compiled code is not
copied, it is made anew.`,
		Example: "  ipvm backup /mnt/backup/ipvm-$(date +%F)\n  ipvm --dir /mnt/backup/ipvm-2026-11-26 doctor",
		Args:    wants(1, 1),
		RunE:    func(cmd *cobra.Command, args []string) error { return a.backup(cmd, args[0], noKey, asJSON) },
	}
	cmd.Flags().BoolVar(&noKey, "no-key", false, "leave out the node's private key")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print what was made as JSON")
	return cmd
}

// backupJSON is what `ipvm backup --json` prints.
type backupJSON struct {
	Schema    int    `json:"schema"`
	Directory string `json:"directory"`
	Key       bool   `json:"key"`
	Bytes     int64  `json:"bytes"`
}

func (a *app) backup(cmd *cobra.Command, dir string, noKey, asJSON bool) (err error) {
	to, err := filepath.Abs(dir)
	if err != nil {
		return err
	}
	if _, err := os.Lstat(to); err == nil {
		return misusef("name a folder that is not there yet", "%s is there already", printable(dir))
	}
	if _, err := os.Stat(filepath.Dir(to)); errors.Is(err, fs.ErrNotExist) {
		return misusef("make the folder first", "there is no folder %s", printable(filepath.Dir(to)))
	}
	node, err := a.open(cmd)
	if err != nil {
		return err
	}
	defer func() { err = closing(cmd, node, err) }()
	err = node.Backend().Backup(cmd.Context(), to, !noKey)
	if errors.Is(err, store.ErrCollecting) {
		return fmt.Errorf("%w\n  hint: try again when it has ended", err)
	}
	if err != nil || !asJSON {
		return err
	}
	bytes, err := bytesIn(to)
	if err != nil {
		return err
	}
	return printJSON(cmd.OutOrStdout(), backupJSON{jsonSchema, to, !noKey, bytes})
}

// bytesIn is the size of all files in a folder, linked ones included.
func bytesIn(dir string) (sum int64, err error) {
	err = filepath.WalkDir(dir, func(_ string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		info, err := d.Info()
		if err == nil {
			sum += info.Size()
		}
		return err
	})
	return sum, err
}
