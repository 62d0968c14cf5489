package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/ipvm-wg/go-ipvm/ipld"
)

// maxFolderBytes bounds the files of a directory that is written out: some blocks can
// say that one file is there many times.
const maxFolderBytes = 16 << 30

// folderOut is a directory of files that is written out.
type folderOut struct {
	cmd   *cobra.Command
	from  content
	root  *os.Root // where to; nothing is written outside of it, whatever names say
	files int      // files and folders that may still come
	bytes int      // of the files that may still come
}

// writeFolder writes the directory behind link out as the new folder path: whole, or
// not at all.
func writeFolder(cmd *cobra.Command, from content, link ipld.Link, path string) (err error) {
	if _, err := os.Lstat(path); !errors.Is(err, os.ErrNotExist) {
		return misusef("name one that is not there", "%s is a directory, and %s is there", link, printable(path))
	}
	path = filepath.Clean(path)
	temporary, err := os.MkdirTemp(filepath.Dir(path), ".ipvm-*")
	if err != nil {
		return asMisuse(err)
	}
	defer func() {
		if err != nil {
			_ = os.RemoveAll(temporary)
		}
	}()
	root, err := os.OpenRoot(temporary)
	if err != nil {
		return err
	}
	defer root.Close()
	out := &folderOut{cmd: cmd, from: from, root: root, files: maxFolderFiles, bytes: maxFolderBytes}
	if err := out.folder(link, ".", 0); err != nil {
		return err
	}
	if err := os.Chmod(temporary, 0o755); err != nil {
		return err
	}
	return os.Rename(temporary, path)
}

// folder writes what is in the directory behind link into the folder at path, which is
// there.
func (o *folderOut) folder(link ipld.Link, path string, depth int) error {
	if depth == maxFolderDepth {
		return misusef("", "more than %d folders within each other", maxFolderDepth)
	}
	all, err := ipld.ReadDirectory(link, fetchFrom(o.cmd.Context(), o.from))
	if err != nil {
		return notWhole(link, err)
	}
	for _, e := range all {
		if o.files--; o.files < 0 {
			return misusef("write out parts of it: CID/PATH", "more than %d files and folders", maxFolderFiles)
		}
		if !filepath.IsLocal(e.Name) || filepath.Base(e.Name) != e.Name {
			return misusef("", "%s: %q can not be the name of a file here", link, e.Name)
		}
		if err := o.entry(e.Link, filepath.Join(path, e.Name), depth); err != nil {
			return err
		}
	}
	return nil
}

func (o *folderOut) entry(link ipld.Link, path string, depth int) error {
	data, err := o.from.FetchFile(o.cmd.Context(), link)
	switch {
	case errors.Is(err, ipld.ErrNotFile):
		if err := o.root.Mkdir(path, 0o755); err != nil {
			return err
		}
		err = o.folder(link, path, depth+1)
		if errors.Is(err, ipld.ErrNotDirectory) {
			return misusef("take the others out one by one: CID/PATH", "%s is neither a file nor a folder", printable(path))
		}
		return err
	case err != nil:
		return fmt.Errorf("%s: %w", printable(path), notWhole(link, err))
	}
	if o.bytes -= len(data); o.bytes < 0 {
		return misusef("write out parts of it: CID/PATH", "more than %d bytes", maxFolderBytes)
	}
	f, err := o.root.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	return errors.Join(err, f.Close())
}
