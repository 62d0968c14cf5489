package main

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/spf13/cobra"

	"github.com/ipvm-wg/go-ipvm/ipld"
	"github.com/ipvm-wg/go-ipvm/store"
)

// shelf is content that has the blocks of a test.
type shelf struct {
	content
	blocks map[ipld.Link][]byte
}

func (s shelf) FetchBlock(_ context.Context, l ipld.Link) ([]byte, error) {
	if data, ok := s.blocks[l]; ok {
		return data, nil
	}
	return nil, store.ErrNotFound
}

func (s shelf) FetchFile(ctx context.Context, l ipld.Link) ([]byte, error) {
	return ipld.ReadFile(l, 1<<20, func(l ipld.Link) ([]byte, error) { return s.FetchBlock(ctx, l) })
}

// Directories of another implementation, sharded or not, are written out as folders.
func TestWriteFolder(t *testing.T) {
	t.Parallel()
	var all []struct {
		Name, Root string
		Files      map[string]string
		Blocks     map[string]string
	}
	if err := json.Unmarshal(readFile(t, "../../ipld/testdata/directories.json"), &all); err != nil || len(all) < 2 {
		t.Fatal(err, len(all))
	}
	for _, v := range all {
		s := shelf{blocks: map[ipld.Link][]byte{}}
		for cid, text := range v.Blocks {
			data, err := base64.StdEncoding.DecodeString(text)
			if err != nil {
				t.Fatal(err)
			}
			s.blocks[parsed(t, cid)] = data
		}
		dir := filepath.Join(t.TempDir(), "out")
		if err := writeFolder(outOf(t), s, parsed(t, v.Root), dir); err != nil {
			t.Fatalf("%s: %v", v.Name, err)
		}
		got := map[string]string{}
		err := filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
			if err == nil && !e.IsDir() {
				name, _ := filepath.Rel(dir, path)
				got[filepath.ToSlash(name)] = string(readFile(t, path))
			}
			return err
		})
		if err != nil || len(got) != len(v.Files) {
			t.Errorf("%s: %d files, not %d (%v)", v.Name, len(got), len(v.Files), err)
		}
		for path, text := range v.Files {
			if got[path] != text {
				t.Errorf("%s/%s is %q, not %q", v.Name, path, got[path], text)
			}
		}
	}
}

// What can not be written out whole leaves nothing, and writes nowhere else.
func TestWriteFolderRefused(t *testing.T) {
	t.Parallel()
	s := shelf{blocks: map[ipld.Link][]byte{}}
	put := func(codec uint64, data []byte) ipld.Link {
		l := ipld.LinkOf(codec, data)
		s.blocks[l] = data
		return l
	}
	// A directory of dag-pb with one entry.
	directory := func(name string, l ipld.Link) ipld.Link {
		field := func(n byte, data string) string { return string([]byte{n<<3 | 2, byte(len(data))}) + data }
		link := field(1, string(l.Bytes())) + field(2, name) + string([]byte{3 << 3, 1})
		return put(ipld.CodecDagPB, []byte(field(2, link)+field(1, string([]byte{1 << 3, 1}))))
	}
	file := put(ipld.CodecRaw, []byte("x"))
	symlink := put(ipld.CodecDagPB, []byte("\x0a\x0a\x08\x04\x12\x06/etc/x"))
	deep := directory("a", file)
	for range maxFolderDepth {
		deep = directory("d", deep)
	}
	for name, test := range map[string]struct {
		root ipld.Link
		want string
	}{
		"above":        {directory("..", file), `an entry named ".."`},
		"a path":       {directory("../a", file), `an entry named "../a"`},
		"absolute":     {directory("/a", file), `an entry named "/a"`},
		"a symlink":    {directory("link", symlink), "link is neither a file nor a folder"},
		"a value":      {directory("value", put(ipld.CodecDagCBOR, []byte{0xa0})), "value is neither a file nor a folder"},
		"too deep":     {deep, "more than 64 folders within each other"},
		"not all here": {directory("gone", ipld.LinkOf(ipld.CodecRaw, []byte("gone"))), "is not here, or not all of it"},
	} {
		dir := t.TempDir()
		err := writeFolder(outOf(t), s, test.root, filepath.Join(dir, "out"))
		if err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: %v, expected %q", name, err, test.want)
		}
		if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
			t.Errorf("%s: %v is left (%v)", name, left, err)
		}
	}
	if err := writeFolder(outOf(t), s, directory("a", file), t.TempDir()); err == nil || !strings.Contains(err.Error(), "is there") {
		t.Errorf("a folder that is there is written to: %v", err)
	}
}

func parsed(tb testing.TB, cid string) ipld.Link {
	tb.Helper()
	l, err := ipld.ParseLink(cid)
	if err != nil {
		tb.Fatal(err)
	}
	return l
}

func outOf(t *testing.T) *cobra.Command {
	cmd := &cobra.Command{}
	cmd.SetContext(t.Context())
	return cmd
}
