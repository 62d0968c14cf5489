package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/ipvm-wg/go-ipvm/client"
	"github.com/ipvm-wg/go-ipvm/ipld"
	"github.com/ipvm-wg/go-ipvm/store"
)

// Bounds of a folder that is imported.
const (
	maxFolderFiles = 1 << 16
	maxFolderDepth = 64
)

// folders are those that are imported by one command line.
type folders struct {
	left  int // files and folders that may still come
	depth int
}

// importFolder puts a folder with all that is in it, and returns the block of its
// directory. Nothing in it may be anything but a file or a folder: a link would be
// read as what it leads to, which may be anywhere.
func importFolder(cmd *cobra.Command, to content, path string, f *folders) (ipld.Block, error) {
	if f.depth == maxFolderDepth {
		return ipld.Block{}, misusef("", "%s: more than %d folders within each other", printable(path), maxFolderDepth)
	}
	f.depth++
	defer func() { f.depth-- }()
	found, err := os.ReadDir(path)
	if err != nil {
		return ipld.Block{}, err
	}
	entries := make([]ipld.DirEntry, 0, len(found))
	for _, e := range found {
		if f.left--; f.left < 0 {
			return ipld.Block{}, misusef("import parts of it", "more than %d files and folders", maxFolderFiles)
		}
		below := filepath.Join(path, e.Name())
		b, err := importEntry(cmd, to, below, e, f)
		if err != nil {
			return ipld.Block{}, err
		}
		size, err := ipld.EncodedSize(b)
		if err != nil {
			return ipld.Block{}, err
		}
		entries = append(entries, ipld.DirEntry{Name: e.Name(), Link: b.Link, Size: size})
	}
	b, err := ipld.ImportDirectory(entries)
	if err != nil {
		return b, misusef("divide it into several folders", "%s: %v", printable(path), err)
	}
	return b, to.PutBlock(cmd.Context(), b)
}

// importEntry puts what is at path and returns its root block.
func importEntry(cmd *cobra.Command, to content, path string, e os.DirEntry, f *folders) (ipld.Block, error) {
	switch {
	case e.IsDir():
		return importFolder(cmd, to, path, f)
	case !e.Type().IsRegular():
		return ipld.Block{}, misusef("take it out of the folder, or put what it leads to there", "%s is neither a file nor a folder", printable(path))
	}
	in, err := os.Open(path)
	if err != nil {
		return ipld.Block{}, err
	}
	defer in.Close()
	link, err := to.ImportFrom(cmd.Context(), path, in)
	if err != nil {
		return ipld.Block{}, err
	}
	data, err := to.FetchBlock(cmd.Context(), link)
	return ipld.Block{Link: link, Data: data}, err
}

// resolve reads CID or CID/PATH.
func resolve(cmd *cobra.Command, from content, text string) (ipld.Link, error) {
	cid, path, within := strings.Cut(strings.TrimPrefix(text, "ipfs://"), "/")
	link, err := parseCID(cid)
	if err != nil || !within || path == "" {
		return link, err
	}
	at, err := ipld.Resolve(link, strings.TrimSuffix(path, "/"), fetchFrom(cmd.Context(), from))
	if errors.Is(err, ipld.ErrNoEntry) || errors.Is(err, ipld.ErrNotDirectory) {
		return at, misusef("`ipvm block ls "+cid+"` lists what is in a directory", "%v", err)
	}
	return at, notWhole(link, err)
}

// notWhole is err, which reading a directory has given, with what to do where some of
// it is not here.
func notWhole(directory ipld.Link, err error) error {
	if errors.Is(err, store.ErrNotFound) || errors.Is(err, client.NotFound) {
		return misusef("`ipvm block put FOLDER` imports a folder; --gateways and --kubo say whom to ask", "the directory %s is not here, or not all of it", directory)
	}
	return err
}

func fetchFrom(ctx context.Context, from content) func(ipld.Link) ([]byte, error) {
	return func(l ipld.Link) ([]byte, error) { return from.FetchBlock(ctx, l) }
}

func newBlockList(a *app) *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:     "ls CID[/PATH]",
		Short:   "List what is in a directory of files",
		Long:    "List the entries of the directory behind CID, or of the one at PATH in it: the CID\nof each, how many bytes it takes with all that is in it, and its name.",
		Example: "  ipvm block put ./pictures\n  ipvm block ls CID",
		Args:    wants(1, 1),
		RunE:    func(cmd *cobra.Command, args []string) error { return a.listBlock(cmd, args[0], asJSON) },
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print one JSON object per line")
	return cmd
}

// entryJSON is an entry of a directory.
type entryJSON struct {
	Schema int    `json:"schema"`
	CID    string `json:"cid"`
	Bytes  uint64 `json:"bytes"`
	Name   string `json:"name"`
}

func (a *app) listBlock(cmd *cobra.Command, text string, asJSON bool) (err error) {
	from, done, err := a.content(cmd)
	if err != nil {
		return err
	}
	defer func() { err = done(err) }()
	link, err := resolve(cmd, from, text)
	if err != nil {
		return err
	}
	all, err := ipld.ReadDirectory(link, fetchFrom(cmd.Context(), from))
	if errors.Is(err, ipld.ErrNotDirectory) {
		return misusef("`ipvm block get` writes a file", "%v", err)
	}
	if err != nil {
		return notWhole(link, err)
	}
	for _, e := range all {
		if asJSON {
			err = json.NewEncoder(cmd.OutOrStdout()).Encode(entryJSON{jsonSchema, e.Link.String(), e.Size, e.Name})
		} else {
			_, err = fmt.Fprintf(cmd.OutOrStdout(), "%s  %10d  %s\n", e.Link, e.Size, printable(e.Name))
		}
		if err != nil {
			return err
		}
	}
	return nil
}
