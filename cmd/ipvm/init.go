package main

import (
	"bytes"
	_ "embed"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/ipvm-wg/go-ipvm/examples/names"
)

// starter is the workflow that `ipvm init` writes.
//
//go:embed starter.yaml
var starter []byte

// starterFile is the name of the workflow where the user gives none.
const starterFile = "workflow.yaml"

func newInit() *cobra.Command {
	return &cobra.Command{
		Use:   "init [DIR|FILE]",
		Short: "Write a workflow to begin with, which runs as it is",
		Long: `Write a workflow with comments, and the modules that it names, to DIR, which is
made where it is not there; without it, to the current directory. A name that
ends in .yaml or .yml is the workflow's own. No file is ever overwritten.`,
		Args: wants(0, 1),
		RunE: func(cmd *cobra.Command, args []string) error {
			dir, name := ".", starterFile
			if len(args) == 1 {
				dir = args[0]
			}
			if ext := filepath.Ext(dir); ext == ".yaml" || ext == ".yml" {
				dir, name = filepath.Dir(dir), filepath.Base(dir)
			}
			return writeStarter(cmd, dir, name)
		},
	}
}

// writeStarter writes the starter to dir, the document under name: all files
// that are not there, or none.
func writeStarter(cmd *cobra.Command, dir, name string) error {
	files := []struct {
		name string
		data []byte
	}{
		{name, bytes.ReplaceAll(starter, []byte(starterFile), []byte(name))},
		{"full-name.wasm", names.FullName},
		{"count.wasm", names.Count},
	}
	for i := range files {
		f := &files[i]
		f.name = filepath.Join(dir, f.name)
		switch present, err := os.ReadFile(f.name); {
		case errors.Is(err, fs.ErrNotExist):
		case err != nil:
			return misusef("nothing was written", "%v", err)
		case bytes.Equal(present, f.data):
			f.data = nil // as it would be written
		default:
			return misusef("nothing was written; name another directory", "%s is there already", f.name)
		}
	}
	if err := os.MkdirAll(dir, 0o755); err != nil { //nolint:gosec // a folder of the user's
		return misusef("", "%v", err)
	}
	out := cmd.OutOrStdout()
	for _, f := range files {
		if f.data == nil {
			continue
		}
		if err := writeNew(f.name, f.data); err != nil {
			return err
		}
		fmt.Fprintf(out, "wrote %s\n", printable(f.name))
	}
	fmt.Fprintf(out, "now run it: ipvm run %s\n", shellWord(filepath.Join(dir, name)))
	return nil
}

// writeNew writes a file that must not be there.
func writeNew(path string, data []byte) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644) //nolint:gosec // a file of the user's
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	return errors.Join(err, f.Close())
}

// shellWord is s as one word for a shell.
func shellWord(s string) string {
	if s != "" && strings.Trim(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._/-") == "" {
		return s
	}
	return "'" + strings.ReplaceAll(printable(s), "'", `'\''`) + "'"
}
